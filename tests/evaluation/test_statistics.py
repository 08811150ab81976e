"""Each function against a worked example from the literature or a second implementation written here."""

import math
import time
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sercore.emotions import EMOTIONS
from sercore.evaluation.metrics import score
from sercore.evaluation.published import published_loso
from sercore.evaluation.statistics import (
    bootstrap,
    bootstrap_alone,
    bootstrap_apart,
    counts_behind,
    f_test,
    fold_tests,
    mcnemar,
    pair,
    spread_tests,
    t_critical,
    t_range,
    wilson,
)

pytestmark = pytest.mark.filterwarnings("error")

# Student (1908), The probable error of a mean: hours of sleep gained by ten patients under two drugs (R's `sleep`).
SLEEP = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# Hollander and Wolfe (1973), p. 29: a depression scale of nine patients on two visits (R's example of wilcox.test).
VISITS = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29], [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3]
FOLDS = [0.58, 0.61, 0.55, 0.63, 0.60], [0.60, 0.60, 0.59, 0.66, 0.65]


def made_up(speakers=12, utterances=20, accuracy=0.6, seed=1, emotions=EMOTIONS) -> pd.DataFrame:
    """Predictions whose truths do not depend on accuracy and seed."""
    number = speakers * utterances
    truth = np.random.default_rng(0).choice(emotions, number)
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "utterance": [f"u{i}" for i in range(number)],
            "speaker": [f"s{i // utterances:02}" for i in range(number)],
            "truth": truth,
            "predicted": np.where(rng.random(number) < accuracy, truth, rng.choice(emotions, number)),
        }
    )


def told(speaker: str, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """Predictions of one speaker from (truth, predicted)."""
    rows = [(f"{speaker}_{i}", speaker, *names) for i, names in enumerate(pairs)]
    return pd.DataFrame(rows, columns=["utterance", "speaker", "truth", "predicted"])


# Two arms over the same folds


def test_students_sleep_data():
    """t = 4.0621 (R prints -4.0621 for group 1 - group 2), df = 9, p = .002833, mean difference 1.58."""
    tests = fold_tests(*SLEEP)
    assert (tests["n"], round(tests["gain"], 2), round(tests["t"], 4)) == (10, 1.58, 4.0621)
    assert round(tests["p_t"], 6) == 0.002833
    assert (round(tests["mean_one"], 2), round(tests["mean_other"], 2)) == (0.75, 2.33)
    assert tests["statement"] == ""


def test_t_is_the_mean_gain_over_its_standard_error():
    tests, gains = fold_tests(*FOLDS), np.subtract(FOLDS[1], FOLDS[0])
    sd = math.sqrt(sum((gain - gains.mean()) ** 2 for gain in gains) / 4)
    assert tests["sd_gain"] == pytest.approx(sd)
    assert tests["t"] == pytest.approx(gains.mean() / (sd / math.sqrt(5)))


def test_hollander_and_wolfes_visits():
    """V = 40, one-sided p = 0.01953."""
    assert fold_tests(*VISITS)["p_wilcoxon"] / 2 == pytest.approx(0.01953, abs=5e-6)


def by_enumeration(gains) -> float:
    """Signed-rank p over all signs, zeros dropped."""
    gains = [gain for gain in gains if gain]
    ranks = stats.rankdata(np.abs(gains))
    center = ranks.sum() / 2
    found = abs(ranks[np.array(gains) > 0].sum() - center)
    sums = [ranks[np.array(signs) > 0].sum() for signs in product((-1, 1), repeat=len(gains))]
    return float(np.mean([abs(total - center) >= found for total in sums]))


@pytest.mark.parametrize(
    "gains",
    [[1, 2, 3, 4, 5], [1, -2, 4, -8, 16], [1, 1, 1, 2, -2], [0, 1, 1, -3, 5], [0, 0, 0, 0, 7], [3] * 5],
)
def test_signed_ranks_are_enumerated_also_with_ties_and_zeros(gains):
    assert fold_tests([0] * 5, gains)["p_wilcoxon"] == by_enumeration(gains)


def test_a_zero_and_ties_in_students_sleep_data_leave_nine_gains_all_positive():
    assert fold_tests(*SLEEP)["p_wilcoxon"] == 2 / 2**9


def test_equal_differences_are_tied_whatever_their_floats():
    one, other = [0.5, 0.6, 0.7, 0.2, 0.9], [0.6, 0.7, 0.6, 0.5, 0.5]
    assert fold_tests(one, other)["p_wilcoxon"] == by_enumeration([1, 1, -1, 3, -4])


def test_five_folds_never_reach_five_percent_in_the_signed_rank_test():
    tests = fold_tests([0.1, 0.2, 0.3, 0.4, 0.5], [0.9, 0.91, 0.92, 0.93, 0.94])
    assert tests["p_wilcoxon"] == tests["p_wilcoxon_least"] == 0.0625


def test_one_fold_has_means_and_no_test():
    tests = fold_tests([0.6], [0.7])
    assert tests["statement"] == "One fold: there is no spread and no test."
    undefined = {"sd_one", "sd_other", "sd_gain", "t", "p_t", "t_critical", "p_wilcoxon"}
    assert {key for key, value in tests.items() if value is None} == undefined


def test_equal_arms_have_no_test():
    tests = fold_tests(FOLDS[0], FOLDS[0])
    assert tests["statement"].startswith("The gain is the same in every fold: it is 0")
    assert (tests["gain"], tests["sd_gain"], tests["t"], tests["p_t"], tests["p_wilcoxon"]) == (0, 0, None, None, None)


def test_a_constant_gain_has_no_t_but_signs():
    tests = fold_tests([0.1, 0.2, 0.3, 0.4, 0.6], [0.2, 0.3, 0.4, 0.5, 0.7])
    assert tests["statement"] == "The gain is the same in every fold: t is undefined."
    assert (tests["sd_gain"], tests["t"], tests["p_t"], tests["p_wilcoxon"]) == (0, None, None, 0.0625)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ([], [], "one score per fold"),
        ([0.5, 0.6], [0.5], "2 and 1 folds"),
        ([0.5, None, 0.6], [0.5, 0.6, 0.7], "fold 2 has no score"),
        ([[0.5, 0.6]], [[0.5, 0.6]], r"shape \(1, 2\)"),
    ],
)
def test_folds_that_cannot_be_compared_are_refused(one, other, message):
    with pytest.raises(ValueError, match=message):
        fold_tests(one, other)


# Printed means and spreads


def test_critical_t_of_the_tables():
    """Student's table, two-sided: df 4 at 5 % 2.776 and at 1 % 4.604; df 9 at 5 % 2.262."""
    assert [round(t_critical(*given), 3) for given in [(5,), (5, 0.01), (10,)]] == [2.776, 4.604, 2.262]


@pytest.mark.parametrize("function", [t_critical, lambda n: t_range(0.1, 0.1, 0.2, 0.2, n)], ids=["critical", "range"])
def test_t_of_one_fold_is_refused(function):
    with pytest.raises(ValueError, match="at least two folds, not 1"):
        function(1)


@pytest.mark.parametrize(("metric", "highest"), [("WA", 2.68), ("macro_f1", 2.61)])
def test_the_papers_gains_stay_below_the_critical_t_at_the_printed_values(metric, highest):
    """By hand for WA: .012 sqrt(5) / (.031 - .021) = 2.68."""
    high = t_range(*published_loso().loc[metric], n=5)[1]
    assert round(high, 2) == highest
    assert high < t_critical(5)


@pytest.mark.parametrize("metric", ["WA", "macro_f1"])
def test_the_papers_gains_could_pass_the_critical_t_within_the_rounding_of_the_print(metric):
    """By hand for WA: (.012 + .001) sqrt(5) / (.031 - .021 - .001) = 3.23."""
    assert t_range(*published_loso().loc[metric], n=5, rounding=0.0005)[1] > t_critical(5)


def test_t_range_holds_every_correlation_of_the_folds():
    rng = np.random.default_rng(0)
    for one, other in rng.normal(size=(200, 2, 5)):
        tests = fold_tests(one, other)
        low, high = t_range(tests["mean_one"], tests["sd_one"], tests["mean_other"], tests["sd_other"], 5)
        assert low <= tests["t"] <= high


def test_t_range_reaches_both_ends():
    """Correlation 1: other = 2 one + .1; correlation -1: other = .9 - 2 one."""
    one = np.array([0.1, 0.2, 0.3, 0.15])
    for end, other in {1: 2 * one + 0.1, 0: 0.9 - 2 * one}.items():
        tests = fold_tests(one, other)
        printed = (tests[key] for key in ("mean_one", "sd_one", "mean_other", "sd_other"))
        assert t_range(*printed, 4)[end] == pytest.approx(tests["t"])


def test_rounding_takes_the_extremes_of_the_four_numbers():
    printed, half = (0.595, 0.031, 0.607, 0.021), 0.0005
    corners = [t_range(*np.add(printed, half * np.array(signs)), 5) for signs in product((-1, 1), repeat=4)]
    lows, highs = zip(*corners, strict=True)
    assert t_range(*printed, 5, rounding=half) == pytest.approx((min(lows), max(highs)))


def test_a_loss_mirrors_a_gain():
    low, high = t_range(0.595, 0.031, 0.607, 0.021, 5)
    assert t_range(0.607, 0.021, 0.595, 0.031, 5) == pytest.approx((-high, -low))


def test_equal_spreads_leave_t_unbounded():
    assert t_range(0.5, 0.03, 0.6, 0.03, 5)[1] == math.inf
    assert t_range(0.6, 0.03, 0.5, 0.03, 5)[0] == -math.inf


def test_spreads_one_printed_unit_apart_leave_t_unbounded():
    assert t_range(0.596, 0.040, 0.610, 0.039, 5, rounding=0.0005)[1] == math.inf


def test_no_gain_is_no_t():
    assert t_range(0.5, 0.03, 0.5, 0.03, 5) == t_range(0.5, 0.03, 0.5, 0.02, 5) == (0, 0)


def test_f_of_the_papers_spreads():
    """(.031 / .021)^2 = 2.18; p = .47."""
    spreads = published_loso().loc["WA"].xs("spread", level=1)
    found = f_test(*spreads, 5, 5)
    assert (round(found["F"], 2), round(found["p"], 2)) == (2.18, 0.47)


def test_f_of_the_table():
    """The upper 2.5 % point of F(4, 4) is 9.60 (any table), so the two-sided p there is 5 %."""
    assert f_test(1, math.sqrt(9.60), 5, 5)["p"] == pytest.approx(0.05, abs=1e-4)


def test_f_does_not_depend_on_the_order():
    assert f_test(0.3, 0.31, 4, 30) == f_test(0.31, 0.3, 30, 4)
    assert f_test(0.3, 0.31, 4, 30)["p"] <= 1


@pytest.mark.parametrize(("spreads", "n"), [((0, 0.1), (5, 5)), ((0, 0), (5, 5)), ((None, 0.1), (1, 5))])
def test_no_spread_is_no_f(spreads, n):
    found = f_test(*spreads, *n)
    assert (found["F"], found["p"]) == (None, None) and found["statement"]


# Spreads of arms


def test_levene_is_an_analysis_of_variance_of_the_distances_from_the_median():
    found = spread_tests(*FOLDS)
    analysis = stats.f_oneway(*(np.abs(np.array(arm) - np.median(arm)) for arm in FOLDS))
    assert (found["W"], found["p_levene"]) == pytest.approx((analysis.statistic, analysis.pvalue))


def test_f_is_the_ratio_of_sample_variances():
    variances = [sum((x - np.mean(arm)) ** 2 for x in arm) / 4 for arm in FOLDS]
    found = spread_tests(*FOLDS)
    assert found["F"] == pytest.approx(max(variances) / min(variances))
    assert found["p_F"] == pytest.approx(2 * stats.f(4, 4).sf(max(variances) / min(variances)))
    assert found["statement"] == ""


def test_one_constant_arm_leaves_levene():
    found = spread_tests([0.1] * 5, FOLDS[0])
    assert found["F"] is None and found["W"] > 0 and found["statement"].endswith("F is undefined.")


@pytest.mark.parametrize("arms", [([0.6], [0.7]), ([0.1] * 3, [0.1] * 3)], ids=["one fold", "constant arms"])
def test_arms_without_spread_have_neither_test(arms):
    found = spread_tests(*arms)
    assert {found[key] for key in ("F", "p_F", "W", "p_levene")} == {None}
    assert len(found["statement"].split(": ")) == 3


def test_two_folds_have_no_levene():
    found = spread_tests([0.1, 0.3], [0.2, 0.7])
    assert found["W"] is None and found["F"] == pytest.approx(6.25)


# Two models on the same utterances


def test_pair_follows_the_order_of_the_first_table():
    one, other = made_up(seed=1), made_up(seed=2)
    both = pair(one, other.sample(frac=1, random_state=0))
    assert list(both) == ["utterance", "speaker", "truth", "predicted_one", "predicted_other"]
    assert both["utterance"].tolist() == one["utterance"].tolist()
    assert (both["predicted_one"] == one["predicted"]).all() and (both["predicted_other"] == other["predicted"]).all()


TWO = told("a", [("anger", "anger"), ("neutral", "anger"), ("sadness", "anger")])
MISMATCHES = {
    "doubled in the first": (TWO.iloc[[0, 0, 0, 1, 2]], TWO, "more than once in the first table: 1, for example a_0;"),
    "doubled in the second": (TWO, TWO.iloc[[0, 1, 1, 2, 2]], "more than once in the second table: 2, .* a_1;"),
    "only in the first": (TWO, TWO.iloc[:1], "only in the first table: 2, for example a_1;"),
    "only in the second": (TWO.iloc[1:], TWO, "only in the second table: 1, for example a_0;"),
    "another truth": (TWO, TWO.assign(truth="anger"), "whose truth differs between the tables: 2, for example a_1;"),
    "another speaker": (TWO, TWO.assign(speaker="b"), "whose speaker differs between the tables: 3, for example a_0;"),
}


@pytest.mark.parametrize(("one", "other", "message"), MISMATCHES.values(), ids=MISMATCHES)
def test_tables_that_do_not_match_are_one_clear_line(one, other, message):
    with pytest.raises(ValueError, match=f"^utterances {message} compare [^\n]+$"):
        pair(one, other)


@pytest.mark.parametrize("function", [bootstrap, mcnemar])
def test_comparisons_refuse_tables_that_do_not_match(function):
    with pytest.raises(ValueError, match="only in the first table"):
        function(made_up(), made_up().iloc[1:])


def test_mcnemar_of_agrestis_approval_ratings():
    """Agresti, Categorical Data Analysis, 1,600 voters asked twice: 150 against 86; exact2x2 gives p = 3.716e-05."""
    right, wrong = ("anger", "anger"), ("anger", "neutral")
    one = told("a", [right] * 794 + [right] * 150 + [wrong] * 86 + [wrong] * 570)
    other = told("a", [right] * 794 + [wrong] * 150 + [right] * 86 + [wrong] * 570)
    found = mcnemar(one, other)
    assert (found["only_one"], found["only_other"], found["statement"]) == (150, 86, "")
    assert found["p"] == pytest.approx(3.716e-05, abs=5e-9)


def test_mcnemar_is_a_sign_test():
    """One against five: 2 (1 + 6) / 2^6."""
    one = told("a", [("anger", "anger")] + [("anger", "neutral")] * 5)
    other = told("a", [("anger", "neutral")] + [("anger", "anger")] * 5)
    assert mcnemar(one, other)["p"] == pytest.approx(14 / 64)


def test_models_that_are_right_alike_have_no_mcnemar():
    other = TWO.assign(predicted=["anger", "happiness", "happiness"])
    found = mcnemar(TWO, other)
    assert (found["only_one"], found["only_other"], found["p"]) == (0, 0, None) and found["statement"]


# Intervals drawn by speakers

DRAWS = 2000


def plain(truth, guess) -> list[float]:
    """WA, UA, macro F1, F1 and recall by counting, a second implementation."""
    f1, recall, occurs = [], [], []
    for emotion in EMOTIONS:
        there, said = (truth == emotion).sum(), (guess == emotion).sum()
        hits = ((truth == emotion) & (guess == emotion)).sum()
        recall.append(hits / there if there else 0)
        f1.append(2 * hits / (there + said) if there + said else 0)
        occurs.append(there > 0)
    ua, macro_f1 = (np.mean([share for share, there in zip(by, occurs, strict=True) if there]) for by in (recall, f1))
    return [(truth == guess).mean(), ua, macro_f1, *f1, *recall]


def drawn(groups: list[np.ndarray], rng) -> np.ndarray:
    return np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))], axis=1)


def by_speaker(predictions: pd.DataFrame, *columns: str) -> list[np.ndarray]:
    """Truth, predicted and further columns (columns, utterances) of each speaker."""
    groups = predictions.groupby("speaker")[["truth", "predicted", *columns]]
    return [group.to_numpy().T.astype("U9") for _, group in groups]


def agree(table: pd.DataFrame, names: list[str], samples: np.ndarray) -> None:
    """Intervals agree with samples (draws, rows) of the loop within four times its Monte Carlo error (.06 sd)."""
    limits = np.percentile(samples, [2.5, 97.5], axis=0)
    error = np.abs(table[names].to_numpy().T - limits) / samples.std(axis=0)
    assert error.max() < 4 * 0.06


def test_paired_intervals_agree_with_a_plain_loop():
    one, other = made_up(accuracy=0.5, seed=1), made_up(accuracy=0.7, seed=2)
    table, rng = bootstrap(one, other), np.random.default_rng(5)
    groups = by_speaker(one.assign(second=other["predicted"]), "second")
    samples = []
    for _ in range(DRAWS):
        truth, first, second = drawn(groups, rng)
        samples.append([plain(truth, first), plain(truth, second)])
    samples = np.array(samples)
    agree(table, ["one_low", "one_high"], samples[:, 0])
    agree(table, ["other_low", "other_high"], samples[:, 1])
    agree(table, ["gain_low", "gain_high"], samples[:, 1] - samples[:, 0])


def test_intervals_apart_agree_with_a_plain_loop():
    one, other = made_up(speakers=8, accuracy=0.5), made_up(speakers=15, utterances=10, accuracy=0.7)
    table, rng = bootstrap_apart(one, other), np.random.default_rng(5)
    groups, others = by_speaker(one), by_speaker(other)
    samples = np.array([[plain(*drawn(groups, rng)), plain(*drawn(others, rng))] for _ in range(DRAWS)])
    agree(table, ["one_low", "one_high"], samples[:, 0])
    agree(table, ["other_low", "other_high"], samples[:, 1])
    agree(table, ["gain_low", "gain_high"], samples[:, 1] - samples[:, 0])


def test_an_interval_alone_agrees_with_a_plain_loop():
    predictions, rng = made_up(), np.random.default_rng(5)
    groups = by_speaker(predictions)
    samples = np.array([plain(*drawn(groups, rng)) for _ in range(DRAWS)])
    agree(bootstrap_alone(predictions), ["low", "high"], samples)


def test_two_speakers_span_the_scores_of_each():
    """A quarter of the draws is the first speaker twice, a quarter the second: WA .25 and .75."""
    right, wrong = ("anger", "anger"), ("anger", "neutral")
    predictions = pd.concat([told("a", [right] + [wrong] * 3), told("b", [right] * 3 + [wrong])])
    assert bootstrap_alone(predictions).loc["WA"].tolist() == [0.5, 0.25, 0.75]


def expected_scores(predictions: pd.DataFrame) -> list[float]:
    scores = score(predictions["truth"], predictions["predicted"])
    classes = [scores["per_class"][emotion][kind] for kind in ("f1", "recall") for emotion in EMOTIONS]
    return [scores["WA"], scores["UA"], scores["macro_f1"], *classes]


def test_values_are_the_scores_of_the_pooled_predictions():
    one, other = made_up(accuracy=0.5, seed=1), made_up(accuracy=0.7, seed=2)
    first, second = np.array(expected_scores(one)), np.array(expected_scores(other))
    for table in (bootstrap(one, other, draws=10), bootstrap_apart(one, other, draws=10)):
        assert table["one"].to_numpy() == pytest.approx(first)
        assert table["other"].to_numpy() == pytest.approx(second)
        assert table["gain"].to_numpy() == pytest.approx(second - first)
    assert bootstrap_alone(one, draws=10)["value"].to_numpy() == pytest.approx(first)


def test_tables_have_the_rows_and_columns_of_the_contract():
    one, other = made_up(seed=1), made_up(seed=2)
    rows = ["WA", "UA", "macro_f1", *(f"{kind}_{emotion}" for kind in ("f1", "recall") for emotion in EMOTIONS)]
    columns = [f"{name}{part}" for name in ("one", "other", "gain") for part in ("", "_low", "_high")]
    for table in (bootstrap(one, other, draws=10), bootstrap_apart(one, other, draws=10)):
        assert (list(table.index), list(table)) == (rows, columns)
    assert list(bootstrap_alone(one, draws=10)) == ["value", "low", "high"]


def test_attributes_count_what_was_drawn():
    one, other = made_up(speakers=8), made_up(speakers=5)
    expected = {"speakers": 8, "utterances": 160, "draws": 10, "statement": ""}
    assert bootstrap(one, one, draws=10).attrs == bootstrap_alone(one, draws=10).attrs == expected
    assert bootstrap_apart(one, other, draws=10).attrs == expected | {"speakers": (8, 5), "utterances": (160, 100)}


def test_same_seed_same_intervals_whatever_the_order_of_the_rows():
    one, other = made_up(seed=1), made_up(seed=2)
    table = bootstrap(one, other, draws=100, seed=3)
    assert table.equals(bootstrap(one.iloc[::-1], other, draws=100, seed=3))
    assert not table.equals(bootstrap(one, other, draws=100, seed=4))


def test_equal_models_gain_nothing():
    table = bootstrap(made_up(), made_up(), draws=100)
    assert (table[["gain", "gain_low", "gain_high"]] == 0).all(axis=None)
    assert table["one_low"].equals(table["other_low"])


def test_pairing_narrows_the_gain_of_models_that_err_alike():
    one = made_up(accuracy=0.5)
    other = one.assign(predicted=one["predicted"].where(one.index % 10 > 0, one["truth"]))
    width = [table["gain_high"] - table["gain_low"] for table in (bootstrap(one, other), bootstrap_apart(one, other))]
    assert (width[0] < width[1]).all()


def test_absent_emotion_is_left_out_and_named():
    one, other = (made_up(seed=seed, emotions=["anger", "neutral", "sadness"]) for seed in (1, 2))
    for table in (bootstrap(one, other, draws=50), bootstrap_apart(one, made_up(), draws=50), bootstrap_alone(one, 50)):
        assert not table.index.str.contains("happiness").any()
        assert not table.isna().any(axis=None)
        assert table.attrs["statement"] == "No utterance of happiness: no F1 and no recall of it."
    assert bootstrap_alone(one, 50).loc["UA", "value"] == pytest.approx(score(one["truth"], one["predicted"])["UA"])


def test_a_draw_without_an_emotion_scores_the_others():
    """Only speaker a is ever angry, and never heard so; without a, UA is that of neutral alone, 1."""
    angry = told("a", [("anger", "neutral"), ("neutral", "neutral")])
    table = bootstrap_alone(pd.concat([angry, told("b", [("neutral", "neutral")] * 2)]))
    assert table.loc["UA"].tolist() == [0.5, 0.5, 1]
    assert not table.isna().any(axis=None)


def test_all_predictions_equal_gives_numbers_not_nan():
    constant = made_up().assign(predicted="neutral")
    table = bootstrap(constant, made_up(), draws=100)
    assert not table.isna().any(axis=None)
    assert table.loc["UA", "one_low"] == table.loc["UA", "one_high"] == 0.25
    assert table.loc["f1_anger", "one_high"] == 0


@pytest.mark.parametrize(
    "intervals",
    [
        lambda lone, many: bootstrap(lone, lone),
        lambda lone, many: bootstrap_apart(many, lone),
        lambda lone, many: bootstrap_alone(lone),
    ],
    ids=["paired", "apart", "alone"],
)
def test_one_speaker_has_no_interval(intervals):
    with pytest.raises(ValueError, match="^one speaker: s00; .*no interval"):
        intervals(made_up(speakers=1), made_up())


def test_unnamed_speakers_are_refused():
    with pytest.raises(ValueError, match="^utterances without a speaker: 20;"):
        bootstrap_alone(made_up().replace({"speaker": {"s00": None}}))


def test_unknown_emotion_is_refused():
    with pytest.raises(ValueError, match="unknown emotion 'fear'"):
        bootstrap_alone(made_up().replace({"predicted": {"anger": "fear"}}))


def test_ten_thousand_draws_of_cremads_size_take_seconds():
    """91 speakers with 54 utterances each, as many as CREMA-D has in the four classes."""
    one, other = made_up(91, 54, seed=1), made_up(91, 54, seed=2)
    start = time.perf_counter()
    table = bootstrap(one, other)
    assert time.perf_counter() - start < 10
    assert table.attrs["draws"] == 10_000


# Proportions


@pytest.mark.parametrize(
    ("successes", "n", "limits"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_of_newcombes_table(successes, n, limits):
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, Table I, method 3."""
    assert wilson(successes, n) == pytest.approx(limits, abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(403, 864), (0, 5), (5, 5), (394, 522)])
def test_wilson_is_its_closed_formula(successes, n):
    z, p = stats.norm.isf(0.025), successes / n
    center, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)
    assert wilson(successes, n) == pytest.approx(expected, abs=1e-12)


def test_no_trials_have_no_interval():
    with pytest.raises(ValueError, match="0 of 0: .* no interval"):
        wilson(0, 0)


@pytest.mark.parametrize(
    ("percent", "n", "counts"),
    [(46.64, 864, [403]), (43.29, 864, [374]), (75.48, 522, [394]), (75.48, 276, []), (75.48, 277, [])],
)
def test_counts_behind_the_papers_percentages(percent, n, counts):
    assert counts_behind(percent, n) == counts


def test_every_printed_percentage_leads_back_to_its_count():
    assert all(k in counts_behind(f"{100 * k / 276:.2f}", 276) for k in range(277))


def test_coarse_percentages_have_many_counts():
    """46 %: 455 (45.5) to 465 (46.5) of 1,000."""
    assert counts_behind(46, 1000, decimals=0) == list(range(455, 466))


def test_half_way_counts_for_both_neighbors():
    """1/8 is 12.5 %, printed 13 (half up) or 12 (half to even)."""
    assert counts_behind(12, 8, decimals=0) == counts_behind(13, 8, decimals=0) == [1]


def test_more_decimals_than_printed_are_refused():
    with pytest.raises(ValueError, match="46.645 has more than 2 decimals"):
        counts_behind(46.645, 864)
