"""Two hold-outs of one model: what they hold, what hearing the speakers is worth, and the printed score."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from sercore.config import Experiment
from sercore.data import production_split, shared_speakers
from sercore.emotions import EMOTIONS
from sercore.evaluation import production
from sercore.evaluation.calibration import cross_scaled, ece, nll, scaled, temperature
from sercore.evaluation.metrics import score
from sercore.evaluation.tables import METRICS, TITLES

pytestmark = pytest.mark.filterwarnings("error")

RANDOM, DISJOINT = production.SPLITS.values()
DRAWS = 200


@dataclass
class Answers:
    """As much of a run as is looked at."""

    predictions: pd.DataFrame


def made(accuracy: float, speakers: int = 6, emotions=EMOTIONS, sharpness: float = 1) -> Answers:
    """Twenty utterances of each speaker; so many of the answers are right, whatever probability they get."""
    number = 20 * speakers
    rng = np.random.default_rng([speakers, len(emotions)])
    truth = np.tile(emotions, number // len(emotions))
    predicted = np.where(np.arange(number) % 10 < 10 * accuracy, truth, np.roll(truth, 1))
    table = pd.DataFrame({"utterance": [f"u{row}" for row in range(number)], "truth": truth, "predicted": predicted})
    table["speaker"] = np.repeat([f"s{one}" for one in range(speakers)], 20)
    own = predicted[:, None] == np.array(EMOTIONS)
    table[[*EMOTIONS]] = np.where(own, rng.uniform(0.5, 0.9, (number, 1)), 0.02)
    return Answers(scaled(table, 1 / sharpness))


@pytest.fixture(scope="module")
def runs():
    return {"random": made(0.8), "disjoint": made(0.5)}


def cells(table: pd.DataFrame) -> list[str]:
    return [str(cell) for cell in table.to_numpy().ravel()]


# What is held back


@pytest.fixture
def held(table):
    """Both hold-outs of the made-up corpus under the name of a real one, with ten speakers of another."""
    both = pd.concat([table.assign(corpus="cremad"), table.assign(corpus="ravdess", path="other-" + table["path"])])
    splits = {name: production_split(both, disjoint=name == "disjoint") for name in production.SPLITS}
    return splits, production.hold_outs(splits, {name: shared_speakers(split) for name, split in splits.items()})


def test_hold_outs_count_both_sides(held):
    splits, told = held
    assert list(told.index) == [RANDOM, DISJOINT]
    assert told["training utterances"].tolist() == [f"{len(split.train):,}" for split in splits.values()]
    assert told["held back"].tolist() == [f"{len(split.test):,}" for split in splits.values()]


def test_hold_outs_name_the_corpora_of_what_is_held_back(held):
    splits, told = held
    for split, line in zip(splits.values(), told["of"]):
        counts = split.test["corpus"].value_counts()
        assert line == ", ".join(f"{TITLES[name]} {count}" for name, count in counts.items())


def test_only_the_random_hold_out_has_speakers_that_training_heard(held):
    _, told = held
    assert told.loc[RANDOM, "their speakers"] == told.loc[RANDOM, "of them heard in training"] > 0
    assert told.loc[DISJOINT, "of them heard in training"] == 0 < told.loc[DISJOINT, "their speakers"]


def test_speakers_of_two_corpora_with_one_name_are_two(held):
    """The made-up speakers have the same names in both corpora."""
    splits, told = held
    own = [len({*zip(split.test["corpus"], split.test["speaker"])}) for split in splits.values()]
    assert told["their speakers"].tolist() == own
    assert splits["random"].test["speaker"].nunique() < own[0]


# What the leak is worth


def test_the_leak_is_how_much_higher_the_random_hold_out_scores(runs):
    found = production.leak(runs, DRAWS)
    ua = {name: score(run.predictions["truth"], run.predictions["predicted"])["UA"] for name, run in runs.items()}
    assert list(found.index) == list(METRICS)
    assert found.loc["UA", ["one", "other"]].tolist() == pytest.approx([ua["disjoint"], ua["random"]])
    assert found.loc["UA", "gain"] == pytest.approx(ua["random"] - ua["disjoint"]) and found.loc["UA", "gain"] > 0


def test_a_random_hold_out_that_scores_lower_has_a_negative_leak(runs):
    swapped = {"random": runs["disjoint"], "disjoint": runs["random"]}
    found = production.leak(swapped, DRAWS)
    assert (found.loc[["WA", "UA", "macro_f1"], "gain_high"] < 0).all()


def test_hold_outs_of_different_size_are_compared():
    found = production.leak({"random": made(0.8, 12), "disjoint": made(0.5, 3)}, DRAWS)
    assert found.attrs["speakers"] == (3, 12) and found.notna().all(axis=None)


def test_an_emotion_that_one_hold_out_lacks_has_no_leak():
    found = production.leak({"random": made(0.8), "disjoint": made(0.5, emotions=EMOTIONS[:2])}, DRAWS)
    assert list(found.index) == ["WA", "UA", "macro_f1", "f1_anger", "f1_happiness"]
    assert found.notna().all(axis=None)


def test_one_speaker_has_no_interval_and_that_is_said(runs):
    with pytest.raises(ValueError, match="one speaker: s0; .* give at least two"):
        production.leak(runs | {"disjoint": made(0.5, speakers=1)})


# Calibration


def test_calibration_is_measured_before_and_after_a_temperature(runs):
    table = production.calibration(runs)
    own = runs["disjoint"].predictions
    values = [ece(own), nll(own), temperature(own), ece(cross_scaled(own)), nll(cross_scaled(own))]
    assert list(table.columns) == ["ECE", "log loss", "temperature", "ECE, scaled", "log loss, scaled"]
    assert table.loc[DISJOINT].tolist() == [f"{value:.3f}" for value in values]


def test_a_temperature_mends_a_model_that_is_too_sure():
    table = production.calibration({"random": made(0.5, sharpness=3)}).astype(float)
    assert table.loc[RANDOM, "temperature"] > 1
    assert table.loc[RANDOM, "log loss, scaled"] < table.loc[RANDOM, "log loss"]


def test_one_speaker_has_no_other_to_fit_on_and_that_is_said(runs):
    table = production.calibration(runs | {"disjoint": made(0.5, speakers=1)})
    assert table.loc[DISJOINT, ["ECE, scaled", "log loss, scaled"]].tolist() == ["one speaker: not fitted"] * 2
    assert "one speaker" not in "".join(table.loc[RANDOM]) and "nan" not in "".join(cells(table))


def test_one_speaker_in_every_hold_out_is_said_too():
    table = production.calibration({name: made(0.5, speakers=1) for name in production.SPLITS})
    assert set(cells(table[["ECE, scaled", "log loss, scaled"]])) == {"one speaker: not fitted"}


# The printed score


def test_only_a_hold_out_of_both_corpora_gives_the_printed_wa():
    """394 of 522 is 75.48 %; 5 % of 5,531 are 276 or 277, of 4,900 exactly 245, of 10,431 are 521 or 522."""
    table = production.arithmetic()
    behind = dict(zip(table["hold-out"], table["behind 75.48 %"]))
    assert list(behind) == [276, 277, 245, 521, 522]
    assert behind.pop(522) == "394 of 522"
    assert set(behind.values()) == {"no whole number gives it"}


def test_hold_outs_are_named_with_their_corpora():
    titles = production.arithmetic()["5 % of"].unique().tolist()
    assert titles == ["IEMOCAP, 5,531", "CREMA-D, 4,900", "IEMOCAP + CREMA-D, 10,431"]


# In words


def test_findings_are_text_without_gaps(runs):
    for pair in (runs, {"random": made(1.0), "disjoint": made(1.0, emotions=EMOTIONS[:2])}):
        found = production.findings(pair, Experiment.from_profile("open", split="random"))
        assert all(isinstance(value, str) and value and "nan" not in value for value in found.values())


def test_findings_tell_the_leak_with_its_sign_and_interval(runs):
    found = production.findings(runs, Experiment.from_profile("open", split="random"))
    leak = production.leak(runs).loc["UA"]
    assert found["leak"] == f"{100 * leak['gain']:+.1f}"
    assert found["leak_interval"] == f"{100 * leak['gain_low']:+.1f} to {100 * leak['gain_high']:+.1f}"
    assert (found["printed_WA"], found["printed_UA"], found["behind"]) == ("75.48 %", "76.40 %", "394 of 522")


def test_the_verdict_asks_whether_the_interval_leaves_zero_out(runs):
    experiment = Experiment.from_profile("demo", split="random")
    assert production.findings(runs, experiment)["verdict"] == "leaves zero out"
    swapped = {"random": runs["disjoint"], "disjoint": runs["random"]}
    assert production.findings(swapped, experiment)["verdict"] == "leaves zero out"
    alike = production.findings({"random": runs["random"], "disjoint": runs["random"]}, experiment)
    assert alike["verdict"].startswith("holds zero") and alike["leak"] == "+0.0"
    assert alike["corpora"] == "synthetic IEMOCAP + synthetic CREMA-D"
