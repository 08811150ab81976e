"""The speaker bootstrap against plain loops written here, and by hand."""

import numpy as np
import pandas as pd
import pytest

from sercore.evaluation import bootstrap_scores, bootstrap_shares, draw_speakers, score, summarize_draws
from sercore.labels import EMOTIONS

ROWS = ["WA", "UA", "macro_f1", *(f"{kind}_{emotion}" for kind in ("f1", "recall") for emotion in EMOTIONS)]


def made_up(speakers=12, utterances=20, accuracy=0.6, seed=1, emotions=EMOTIONS) -> pd.DataFrame:
    """Predictions whose labels do not depend on accuracy and seed."""
    number = speakers * utterances
    y_true = np.random.default_rng(0).choice(emotions, number)
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"utterance": [f"u{i}" for i in range(number)], "y_true": y_true})
    table["speaker"] = [f"s{i // utterances:02}" for i in range(number)]
    return table.assign(y_pred=np.where(rng.random(number) < accuracy, y_true, rng.choice(emotions, number)))


def one_speaker(speaker: str, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """Predictions of one speaker from (y_true, y_pred)."""
    rows = [(f"{speaker}_{i}", speaker, *names) for i, names in enumerate(pairs)]
    return pd.DataFrame(rows, columns=["utterance", "speaker", "y_true", "y_pred"])


def plain_scores(y_true, y_pred) -> list[float]:
    scores = score(y_true, y_pred)
    classes = [scores["per_class"][emotion][kind] for kind in ("f1", "recall") for emotion in EMOTIONS]
    return [scores["WA"], scores["UA"], scores["macro_f1"], *classes]


def redraw(tables: list[pd.DataFrame], rng) -> list[pd.DataFrame]:
    """The same speakers of each table, drawn with replacement."""
    groups = [dict([*table.groupby("speaker")]) for table in tables]
    drawn = rng.choice(list(groups[0]), len(groups[0]))
    return [pd.concat([own[speaker] for speaker in drawn]) for own in groups]


def assert_agree(intervals: np.ndarray, samples: list) -> None:
    """Intervals (rows, 2) agree with samples (draws, rows) of a loop within four times its Monte Carlo error.

    Of 200 draws, the error of a 2.5 % limit of a normal distribution is sqrt(.025 .975 / 200) / .058 = .19 deviations.
    """
    limits = np.percentile(samples, [2.5, 97.5], axis=0).T
    assert (np.abs(intervals - limits).max(axis=1) < 4 * 0.19 * np.std(samples, axis=0)).all()


# Draws


def test_first_row_is_as_measured_and_every_draw_has_as_many_speakers():
    weights = draw_speakers(5, 100, seed=0)
    assert weights.shape == (101, 5) and (weights[0] == 1).all() and (weights.sum(axis=1) == 5).all()


def test_same_seed_same_draws():
    assert (draw_speakers(5, 9, 0) == draw_speakers(5, 9, 0)).all()
    assert (draw_speakers(5, 9, 0) != draw_speakers(5, 9, 1)).any()


def test_one_speaker_has_no_interval():
    for table in (made_up(speakers=1), made_up(speakers=1).assign(hit=1)):
        with pytest.raises(ValueError, match="give at least two"):
            bootstrap_shares(table, "y_true") if "hit" in table else bootstrap_scores(table)


def test_unnamed_speakers_are_refused():
    with pytest.raises(ValueError, match=r"^rows without a speaker: 20;"):
        bootstrap_scores(made_up().replace({"speaker": {"s00": None}}))


# Scores


def test_values_are_the_scores_of_the_pooled_predictions():
    one, other = made_up(accuracy=0.5, seed=1), made_up(accuracy=0.7, seed=2)
    first, second = (np.array(plain_scores(table["y_true"], table["y_pred"])) for table in (one, other))
    for paired in (True, False):
        table = bootstrap_scores(one, other, paired, draws=10)
        assert list(table.index) == ROWS
        assert table["one"].to_numpy() == pytest.approx(first) and table["other"].to_numpy() == pytest.approx(second)
        assert table["gain"].to_numpy() == pytest.approx(second - first)
    assert bootstrap_scores(one, draws=10)["value"].to_numpy() == pytest.approx(first)


def test_paired_intervals_agree_with_a_plain_loop():
    one, other, rng = made_up(accuracy=0.5, seed=1), made_up(accuracy=0.7, seed=2), np.random.default_rng(5)
    draws = [redraw([one, other], rng) for _ in range(200)]
    first, second = (np.array([plain_scores(d[arm]["y_true"], d[arm]["y_pred"]) for d in draws]) for arm in (0, 1))
    table = bootstrap_scores(one, other)
    for name, samples in (("one", first), ("other", second), ("gain", second - first)):
        assert_agree(table[[f"{name}_low", f"{name}_high"]].to_numpy(), samples)


def test_hold_outs_are_drawn_apart():
    """Two speakers each, one always right and one never: apart, a draw gains -1, 0 or 1; paired, always 0."""
    right, wrong = ("anger", "anger"), ("anger", "neutral")
    table = pd.concat([one_speaker("a", [right] * 4), one_speaker("b", [wrong] * 4)])
    names = ["gain", "gain_low", "gain_high"]
    assert bootstrap_scores(table, table, paired=False).loc["WA", names].tolist() == [0, -1, 1]
    assert bootstrap_scores(table, table).loc["WA", names].tolist() == [0, 0, 0]


def test_two_speakers_span_the_scores_of_each():
    """A quarter of the draws is the first speaker twice, a quarter the second: WA .25 and .75."""
    right, wrong = ("anger", "anger"), ("anger", "neutral")
    table = pd.concat([one_speaker("a", [right] + [wrong] * 3), one_speaker("b", [right] * 3 + [wrong])])
    assert bootstrap_scores(table).loc["WA"].tolist() == [0.5, 0.25, 0.75]


def test_same_intervals_whatever_the_order_of_the_rows():
    one, other = made_up(seed=1), made_up(seed=2)
    pd.testing.assert_frame_equal(bootstrap_scores(one, other, draws=99), bootstrap_scores(one[::-1], other, draws=99))


def test_absent_emotion_has_no_row():
    table = made_up(emotions=["anger", "neutral", "sadness"])
    for found in (bootstrap_scores(table, draws=50), bootstrap_scores(table, made_up(), paired=False, draws=50)):
        assert "f1_neutral" in found.index and not found.index.str.contains("happiness").any()


def test_a_draw_without_an_emotion_scores_the_others():
    """Only speaker a is ever angry, and never called so; without a, UA is that of neutral alone, 1."""
    angry = one_speaker("a", [("anger", "neutral"), ("neutral", "neutral")])
    table = bootstrap_scores(pd.concat([angry, one_speaker("b", [("neutral", "neutral")] * 2)]))
    assert table.loc["UA"].tolist() == [0.5, 0.5, 1]


def test_all_predictions_equal_gives_numbers_not_nan():
    table = bootstrap_scores(made_up().assign(y_pred="neutral"), draws=100)
    assert table.loc["UA"].tolist() == [0.25] * 3 and table.loc["f1_anger", "high"] == 0


def test_unknown_emotion_is_refused():
    with pytest.raises(ValueError, match="unknown emotion 'fear'"):
        bootstrap_scores(made_up().replace({"y_pred": {"anger": "fear"}}))


TWO = one_speaker("a", [("anger", "anger"), ("neutral", "anger"), ("sadness", "anger")])
MISMATCHES = {
    "doubled": (TWO.iloc[[0, 0, 1, 2]], TWO, "^1 utterances .* example a_0;"),
    "only in the first": (TWO, TWO.iloc[:2], "^1 utterances .* example a_2;"),
    "only in the second": (TWO.iloc[1:], TWO, "^1 utterances .* example a_0;"),
    "another label": (TWO, TWO.replace({"y_true": {"sadness": "neutral"}}), "example a_2;"),
    "another speaker": (TWO, TWO.assign(speaker="b"), "compare predictions of the same utterances"),
}


@pytest.mark.parametrize(("one", "other", "message"), MISMATCHES.values(), ids=MISMATCHES)
def test_pairs_that_do_not_match_are_refused(one, other, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_scores(one, other)


# Shares


def trials(seed=0) -> pd.DataFrame:
    """Ten speakers under two conditions, some of whose trials have nothing to count."""
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product([range(10), ["wet", "dry"], EMOTIONS, range(5)])
    table = keys.to_frame(index=False, name=["speaker", "weather", "y_true", "take"])
    return table.assign(hit=rng.choice([0, 1, np.nan], len(table), p=[0.5, 0.4, 0.1]))


def test_shares_as_measured_are_means():
    table = trials()
    means = table.groupby("weather")["hit"].mean()
    assert bootstrap_shares(table, "weather", draws=9)[0].to_dict() == pytest.approx(means.to_dict())
    recalls = table.groupby(["weather", "y_true"])["hit"].mean().groupby("weather").mean()
    assert bootstrap_shares(table, ["weather"], "y_true", draws=9)[0].to_dict() == pytest.approx(recalls.to_dict())


def test_conditions_keep_their_order():
    assert list(bootstrap_shares(trials(), "weather", draws=9).index) == ["wet", "dry"]


@pytest.mark.parametrize("over", [None, "y_true"])
def test_draws_of_shares_agree_with_a_plain_loop(over):
    table, rng, samples = trials(), np.random.default_rng(5), []
    for _ in range(200):
        (drawn,) = redraw([table], rng)
        shares = drawn.groupby(["weather", over] if over else ["weather"])["hit"].mean().groupby("weather").mean()
        samples.append([shares["wet"], shares["dry"], shares["dry"] - shares["wet"]])
    drawn = bootstrap_shares(table, "weather", over)
    found = pd.concat([drawn, (drawn.loc["dry"] - drawn.loc["wet"]).to_frame("gain").T]).iloc[:, 1:]
    assert_agree(np.percentile(found, [2.5, 97.5], axis=1).T, samples)


def test_intervals_of_a_share_are_those_of_the_score():
    """A UA is the share of right predictions, averaged over the labels."""
    table = made_up()
    table = table.assign(hit=(table["y_true"] == table["y_pred"]).astype(float), model="a")
    found = summarize_draws(bootstrap_shares(table, "model", "y_true", draws=2_000))
    expected = bootstrap_scores(table, draws=2_000).loc["UA"]
    assert found.loc["a"].to_numpy() == pytest.approx(expected.to_numpy())


def test_nothing_to_count_is_nan_without_a_warning():
    table = trials()
    table["hit"] = table["hit"].where(table["weather"] == "dry")
    assert summarize_draws(bootstrap_shares(table, "weather", draws=9)).loc["wet"].isna().all()


def test_the_same_draws_compare_two_conditions():
    drawn = bootstrap_shares(trials(), "weather", draws=99)
    table = summarize_draws(drawn, drawn + 0.1)
    assert list(table) == [f"{name}{part}" for name in ("one", "other", "gain") for part in ("", "_low", "_high")]
    assert table[["gain", "gain_low", "gain_high"]].to_numpy() == pytest.approx(0.1)
