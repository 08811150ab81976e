"""What is measured on notes: shares by hand, intervals against the bootstrap of whole speakers, jitter, time and memory."""

import numpy as np
import pandas as pd
import pytest

from sercore.config import Experiment
from sercore.deployment import trial, voice_report
from sercore.deployment.assembly import ALONE, FILLERS, SHARES
from sercore.deployment.export import export_onnx
from sercore.deployment.rules import AGGREGATES
from sercore.emotions import EMOTIONS
from sercore.evaluation.statistics import bootstrap
from sercore.training import build_classifier

SPEAKERS = [f"one/{number}" for number in range(12)]


def answered(predict) -> pd.DataFrame:
    """Answers to one note per speaker and emotion under every condition: `predict(truth, vad, speaker)`."""
    rows = [
        {"note": f"{speaker}/{truth}", "corpus": "ravdess", "speaker": speaker, "truth": truth, "filler": filler, "share": share}
        | {"vad": vad, "rule": rule, "predicted": predict(truth, vad, number), "seconds": 8.0, "kept": 4.0 if vad else 8.0}
        for number, speaker in enumerate(SPEAKERS)
        for truth in EMOTIONS
        for filler in FILLERS
        for share in SHARES
        for vad in (False, True)
        for rule in AGGREGATES
    ]
    return pd.DataFrame(rows)


def windows(*labels: str, note: str = "a", weights=None) -> pd.DataFrame:
    """Windows of one note of an angry speaker that are sure of their labels."""
    table = pd.DataFrame(np.eye(4)[[EMOTIONS.index(label) for label in labels]], columns=EMOTIONS)
    condition = {"note": note, "speaker": note, "truth": "anger", "filler": "silence", "share": 0.0, "vad": True}
    return table.assign(start=range(len(labels)), weight=weights or 1.0, **condition)


@pytest.fixture(scope="module")
def answers():
    """Without VAD some speakers' anger is called neutral; with it, everything is right but the sadness of one, unanswered."""

    def predict(truth, vad, speaker):
        if vad:
            return "" if truth == "sadness" and speaker == 0 else truth
        return "neutral" if truth == "anger" and speaker < 6 else truth

    return answered(predict)


# Scores


def test_scores_by_hand(answers):
    """Half of the anger is wrong: UA is 7/8, and of 48 answers 12 + 6 are neutral. With VAD, one of 48 is missing."""
    table = trial.bias(answers).set_index(["score", "filler", "share"])
    for condition in ((filler, share) for filler in FILLERS for share in SHARES):
        assert table.loc[("UA", *condition), ["one", "other"]].tolist() == pytest.approx([7 / 8, 1 - 1 / 48])
        assert table.loc[("neutral", *condition), ["one", "other"]].tolist() == pytest.approx([18 / 48, 12 / 47])
        assert table.loc[("unanswered", *condition), ["one", "other"]].tolist() == pytest.approx([0, 1 / 48])


def test_intervals_are_those_of_the_bootstrap():
    """`statistics.bootstrap` draws speakers as well, by itself; both give the same up to one of the 48 notes."""
    rng = np.random.default_rng(0)
    wrong = {(vad, truth): rng.random(len(SPEAKERS)) < (0.2 if vad else 0.4) for vad in (False, True) for truth in EMOTIONS}
    table = answered(lambda truth, vad, speaker: "neutral" if wrong[vad, truth][speaker] else truth)
    one = table[(table["filler"] == "silence") & (table["share"] == 0) & (table["rule"] == "mean")].assign(utterance=table["note"])
    expected = bootstrap(one[~one["vad"]], one[one["vad"]]).loc["UA"]
    own = trial.bias(table, ["filler", "share"], draws=10_000).iloc[0]
    assert [own[name] for name in expected.index] == pytest.approx(expected.tolist(), abs=1.01 / 48)
    assert own[["one", "other", "gain"]].tolist() == pytest.approx(expected[["one", "other", "gain"]].tolist())


def test_the_same_answers_have_no_gain_and_no_interval_of_it():
    table = trial.bias(answered(lambda truth, vad, speaker: truth if speaker % 3 else "anger"))
    assert (table[["gain", "gain_low", "gain_high"]] == 0).all(axis=None)
    assert (table.loc[table["score"] == "UA", "one_low"] < table.loc[table["score"] == "UA", "one"]).all()


def test_answers_are_counted_by_emotion(answers):
    """Without VAD, 12 + 6 of 48 are neutral; with it, 12 of 47."""
    table = trial.answered(answers)
    assert table.sum(axis=1).to_numpy() == pytest.approx(1) and list(table.columns) == list(EMOTIONS)
    assert table.loc[(False, 0.0), "neutral"] == 18 / 48 and table.loc[(True, 0.0), "neutral"] == 12 / 47


def test_fillers_keep_their_order(answers):
    assert list(trial.bias(answers)["filler"].unique()) == list(FILLERS)


def test_every_rule_is_compared_with_the_mean(answers):
    changed = answers.assign(predicted=answers["predicted"].where(answers["rule"] != "median", "anger"))
    table = trial.aggregation(changed, ["vad"]).set_index(["rule", "vad"])
    assert (table.loc["mean", "gain"] == 0).all() and (table.loc["weighted", "gain"] == 0).all()
    assert table.loc[("median", False), "gain"] == pytest.approx(1 / 4 - 7 / 8)


def test_seconds_found_are_relative_to_those_spoken(answers):
    """Four of eight seconds are kept; at the five shares of pause 8, 6.4, 4.8, 3.2 and 1.6 are spoken."""
    table = trial.detected(answers)
    assert list(table.index) == list(FILLERS) and list(table.columns) == list(EMOTIONS)
    assert table.to_numpy() == pytest.approx(20 / 24)


# Jitter


def test_averaging_smooths():
    """anger, happiness, anger, anger: alone two of three steps change; the mean so far is a tie, which anger wins, then anger."""
    table = trial.running(windows("anger", "happiness", "anger", "anger"))
    assert table["alone_changed"].tolist()[1:] == [1, 1, 0] and np.isnan(table["alone_changed"].iloc[0])
    assert table["averaged"].tolist() == ["anger"] * 4 and table["averaged_changed"].tolist()[1:] == [0, 0, 0]


def test_what_is_averaged_is_weighted_by_speech():
    assert trial.running(windows("anger", "sadness", weights=[1.0, 2.0]))["averaged"].tolist() == ["anger", "sadness"]


def test_a_note_begins_anew():
    table = trial.running(pd.concat([windows("anger", "anger", note="a"), windows("sadness", "sadness", note="b")], ignore_index=True))
    assert table["alone_changed"].isna().tolist() == [True, False] * 2 and table["alone_changed"].sum() == 0


def test_notes_of_one_window_have_no_jitter():
    table = pd.concat([windows("anger", "neutral", note="a"), windows("sadness", note="b")], ignore_index=True)
    assert trial.running(table)["note"].tolist() == ["a", "a"]


def test_jitter_and_accuracy_by_hand():
    """Two speakers: 2 of 3 and 0 of 1 steps change alone, none averaged; 4 of 6 windows are right, and both notes."""
    table = pd.concat([windows("anger", "neutral", "anger", "sadness", note="a"), windows("anger", "anger", note="b")], ignore_index=True)
    found = trial.jitter(table).set_index("measure")
    assert found.loc["changes", ["one", "other"]].tolist() == pytest.approx([3 / 4, 0])
    assert found.loc["UA", ["one", "other"]].tolist() == pytest.approx([4 / 6, 1])


# Time and memory


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    file = export_onnx(build_classifier("tiny").eval(), tmp_path_factory.mktemp("model") / "fp32.onnx")
    return trial.cost(file, np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32), (1, 20))


def test_every_length_is_measured_in_a_process_of_its_own(costs):
    assert costs["seconds"].tolist() == [1, 20] and (costs["vad"] > 0).all() and (costs["classifier"] >= 0).all()
    assert (costs["peak"] >= costs["before"]).all() and (costs["before"] > 1e7).all()


def test_it_is_faster_than_speech(costs):
    assert (costs["vad"] + costs["classifier"] < 1).all()


# In words


@pytest.fixture(scope="module")
def experiment():
    return Experiment.from_profile("demo", split="disjoint")


@pytest.mark.parametrize(
    ("gain", "low", "high", "said"),
    [
        (-0.1, -0.2, -0.05, "VAD lowers UA by 10.0 points"),
        (0.1, 0.05, 0.2, "VAD raises UA by 10.0 points"),
        (0.1, -0.1, 0.2, "leaves the direction open"),
        (0.0, 0.0, 0.0, "VAD leaves UA as it is"),
    ],
)
def test_a_direction_is_said_only_where_the_interval_has_one(gain, low, high, said):
    assert said in voice_report.verdict(pd.Series({"gain": gain, "gain_low": low, "gain_high": high}), "UA")


@pytest.fixture(scope="module")
def smoothed():
    """Jitter of two notes, of windows and of single utterances."""
    table = pd.concat([windows("anger", "neutral", note="a"), windows("anger", "anger", note="b")], ignore_index=True)
    return pd.concat([trial.jitter(table.assign(vad=vad), ["vad"]) for vad in (False, True, ALONE)])


def test_findings_are_text_without_nan(answers, smoothed, costs, experiment):
    notes = answers.drop_duplicates("note").assign(utterances=8)
    told = voice_report.findings(notes, answers, smoothed, costs, experiment)
    assert all(isinstance(text, str) and "nan" not in text for text in told.values())
    assert told["notes"] == "48" and told["speakers"] == "12" and told["corpora"] == "synthetic RAVDESS"
    assert told["neutral_without"] == "38%" and told["longest"] == "20 s"
    assert told["pull"] == "Pauses alone move the answers toward no emotion"
    assert told["unanswered"] == "With VAD, 2.1% of the notes have no answer, most of them of sadness"


def test_no_note_without_an_answer_is_said_as_well(answers, smoothed, costs, experiment):
    full = answers.assign(predicted=answers["predicted"].replace("", "sadness"))
    notes = answers.drop_duplicates("note").assign(utterances=8)
    assert voice_report.findings(notes, full, smoothed, costs, experiment)["unanswered"] == "With VAD, every note has an answer"


def test_where_pauses_pull_the_answers_is_said(answers, smoothed, costs, experiment):
    """Without VAD, all notes with most pause are called sad; a quarter of those without pause is."""
    sad = answers["predicted"].where((answers["share"] != SHARES[-1]) | answers["vad"], "sadness")
    notes = answers.drop_duplicates("note").assign(utterances=8)
    told = voice_report.findings(notes, answers.assign(predicted=sad), smoothed, costs, experiment)
    assert told["pull"] == "Without VAD, pauses move the answers toward sadness the most, from 25% of them to 100%"


def test_tables_are_text(answers, smoothed, costs, experiment):
    bias, notes = trial.bias(answers), answers.drop_duplicates("note").assign(utterances=8)
    for table in (
        voice_report.gains(bias, "UA"),
        voice_report.detected(trial.detected(answers)),
        voice_report.aggregation(trial.aggregation(answers, ["vad"])),
        voice_report.answered(trial.answered(answers)),
        voice_report.by_corpus(trial.bias(answers, ["corpus"]), experiment),
        voice_report.jitter(smoothed),
        voice_report.cost(costs),
        voice_report.notes_told(answers, notes, experiment),
    ):
        assert not table.empty and "nan" not in table.to_string()


def test_few_notes_and_short_recordings_where_voices_are_synthetic(experiment):
    real = Experiment.from_profile("open", split="disjoint")
    assert voice_report.speakers(experiment) < 5 and voice_report.speakers(real) is None
    assert max(voice_report.lengths(experiment)) < max(voice_report.lengths(real)) == 7200
