"""Arousal levels, chance with the same margins and printed percentages, on tables small enough to check by hand."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from sercore.emotions import EMOTIONS
from sercore.evaluation.arousal import (
    AROUSAL,
    arousal_accuracy,
    by_group,
    consistent_counts,
    errors_within,
    floors,
)

pytestmark = pytest.mark.filterwarnings("error")

# Rows are the truth. Right arousal: 4+1 + 2+3 + 5+3 + 2+4 = 24 of 30. Errors 14, within the level 1+2+3+2 = 8.
CONFUSION = [[4, 1, 1, 0], [2, 3, 1, 1], [1, 0, 5, 3], [2, 0, 2, 4]]

# Paper v2, section V-B and Figure 1: accuracy, unweighted recall, and the recalls of three emotions, in percent.
ACCURACY, UNWEIGHTED_RECALL = 46.64, 45.57
RECALLS = {"anger": 99, "neutral": 55, "sadness": 27}
RAVDESS = (192, 192, 288, 192)  # calm counted as neutral
WITHOUT_CALM = (192, 192, 96, 192)


def one_sided(table) -> str:
    found = errors_within(table)
    undefined = ("expected", "expected_low", "expected_high", "p")
    assert all(found[name] is None for name in undefined)
    return found["statement"]


def test_levels_are_in_the_order_of_the_emotions():
    assert tuple(AROUSAL) == EMOTIONS


def test_arousal_accuracy_by_hand():
    """Floor: 17 of 30 are neutral or sad. Wilson's interval of 24 in 30 by its formula with z = 1.96: .627 to .905."""
    found = arousal_accuracy(CONFUSION)
    assert (found["right"], found["n"]) == (24, 30)
    assert (found["accuracy"], found["floor"]) == (0.8, 17 / 30)
    assert (found["low"], found["high"]) == (pytest.approx(0.627, abs=5e-4), pytest.approx(0.905, abs=5e-4))


def test_always_anger_is_right_for_half_of_a_balanced_table():
    found = arousal_accuracy([[5, 0, 0, 0]] * 4)
    assert found["accuracy"] == found["floor"] == 0.5


def test_errors_within_by_hand():
    found = errors_within(CONFUSION)
    assert (found["errors"], found["within"], found["share"]) == (14, 8, 8 / 14)


def test_chance_by_counting_all_tables():
    """Margins (1, 1, 1, 0) twice: six equally likely tables.

    One has no error. Three have two: anger and happiness swapped (share 1), the other two swaps (0). Two are cycles
    of three errors, of which one stays high (1/3). Mean over five: (1 + 0 + 0 + 1/3 + 1/3) / 5 = 1/3. At least 1/3:
    three of five.
    """
    found = errors_within([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0] * 4], draws=20_000)
    assert found["share"] == 1 / 3
    assert found["expected"] == pytest.approx(1 / 3, abs=0.01)
    assert (found["expected_low"], found["expected_high"]) == (0, 1)
    assert found["p"] == pytest.approx(3 / 5, abs=0.01)


def test_errors_that_keep_to_their_level_are_no_chance():
    found = errors_within([[20, 20, 0, 0], [20, 20, 0, 0], [0, 0, 20, 20], [0, 0, 20, 20]], draws=999)
    assert found["p"] == 1 / 1000 and found["expected_high"] < found["share"] == 1
    assert found["statement"].startswith("80 of 80 errors (100.0%) stay within the arousal level; chance")


def test_independent_answers_are_chance():
    found = errors_within(np.full((4, 4), 10))
    assert found["expected_low"] < found["share"] < found["expected_high"] and 0.2 < found["p"] < 0.8


def test_same_seed_same_chance():
    assert errors_within(CONFUSION) == errors_within(CONFUSION) != errors_within(CONFUSION, seed=1)


def test_no_error_has_no_share():
    assert "no error" in one_sided(np.diag([3, 1, 4, 1]))
    assert errors_within(np.diag([3, 1, 4, 1]))["share"] is None


POINTS = {
    "one answer": [[0, 0, 5, 0], [0, 0, 6, 0], [0, 0, 7, 0], [0, 0, 8, 0]],
    "one truth": [[5, 6, 7, 8], [0] * 4, [0] * 4, [0] * 4],
    "one level": [[5, 1, 0, 0], [2, 4, 0, 0], [0] * 4, [0] * 4],
    "one utterance": [[0, 1, 0, 0], [0] * 4, [0] * 4, [0] * 4],
}


@pytest.mark.parametrize("table", POINTS.values(), ids=POINTS)
def test_share_that_the_margins_fix_is_not_tested(table):
    assert "nothing to test" in one_sided(table)
    assert errors_within(table)["share"] is not None


BROKEN = {"shape": [[1, 2], [3, 4]], "negative": -np.eye(4), "empty": np.zeros((4, 4)), "shares": np.full((4, 4), 0.5)}


@pytest.mark.parametrize("table", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("function", [arousal_accuracy, errors_within])
def test_what_is_no_confusion_matrix_is_said(function, table):
    with pytest.raises(ValueError, match="counts of 4 x 4 emotions"):
        function(table)


def predictions(truth, predicted) -> pd.DataFrame:
    return pd.DataFrame({"truth": truth, "predicted": predicted})


def test_groups_by_hand():
    """Strong: 3 of 4 right, recalls 1/2, 1, 1. Normal: 0 of 1, Wilson 0 to z²/(1 + z²) = .793."""
    table = predictions(
        ["anger", "neutral", "anger", "anger", "happiness"], ["anger", "neutral", "sadness", "neutral", "happiness"]
    )
    found = by_group(table, pd.Series(["strong", "strong", "normal", "strong", "strong"]))
    assert list(found.index) == ["normal", "strong"]
    assert list(found.columns) == ["utterances", "WA", "WA_low", "WA_high", "UA", "emotions"]
    assert found["utterances"].tolist() == [1, 4] and found["WA"].tolist() == [0, 0.75]
    assert found["UA"].tolist() == [0, pytest.approx((1 / 2 + 1 + 1) / 3)]
    assert found["WA_low"]["normal"] == 0 and found["WA_high"]["normal"] == pytest.approx(0.793, abs=5e-4)
    assert found["emotions"].tolist() == ["no happiness, neutral, sadness", "no sadness"]


def test_group_with_all_emotions_has_no_note():
    assert by_group(predictions(EMOTIONS, EMOTIONS), pd.Series([1] * 4))["emotions"].tolist() == [""]


def test_labels_belong_to_rows_whatever_the_index():
    table = predictions(["anger", "sadness"], ["anger", "anger"]).set_index(pd.Index([7, 7]))
    assert by_group(table, pd.Series(["b", "a"], index=[1, 0]))["WA"].to_dict() == {"a": 0, "b": 1}


@pytest.mark.parametrize("groups", [["a"], ["a", None]])
def test_missing_group_is_said(groups):
    with pytest.raises(ValueError, match="2 predictions need one group each; got 1"):
        by_group(predictions(["anger"] * 2, ["anger"] * 2), pd.Series(groups))


def test_floors_by_hand():
    """Of 3 anger and 1 neutral, always anger: 3/4 right, recalls 1 and 0, F1 6/7 and 0."""
    found = floors(["anger"] * 3 + ["neutral"]).set_index("emotion")
    assert list(found.index) == [*EMOTIONS]
    assert found.loc["anger"].tolist() == [0.75, 0.5, pytest.approx(3 / 7)]
    assert found.loc["sadness"].tolist() == [0, 0, 0]


def test_always_neutral_on_ravdess_is_right_once_in_three():
    found = floors(np.repeat(EMOTIONS, RAVDESS)).set_index("emotion")
    assert found["WA"]["neutral"] == pytest.approx(1 / 3) and found["UA"]["neutral"] == 0.25


def test_printed_percentages_leave_almost_no_recognized_happiness():
    found = consistent_counts(RAVDESS, ACCURACY, UNWEIGHTED_RECALL, RECALLS)
    assert list(found.columns) == [*EMOTIONS]
    assert (found.sum(axis=1) == 403).all()
    recall = 100 * found["happiness"] / 192
    assert (round(recall.min(), 1), round(recall.max(), 1)) == (0.5, 1.6)


def test_nothing_fits_unless_calm_is_counted_as_neutral():
    assert consistent_counts(WITHOUT_CALM, ACCURACY, UNWEIGHTED_RECALL, RECALLS).empty


def test_unprinted_unweighted_recall_leaves_more_open():
    with_it, without = (len(consistent_counts(RAVDESS, ACCURACY, ua, RECALLS)) for ua in (UNWEIGHTED_RECALL, None))
    assert 0 < with_it < without


def test_solutions_equal_a_plain_search():
    """Supports 3, 4, 5, 6; 9 of 18 right is 50.00; every combination tried."""
    support = (3, 4, 5, 6)
    every = [counts for counts in product(*(range(number + 1) for number in support)) if sum(counts) == 9]
    mean = [100 * sum(right / number for right, number in zip(counts, support, strict=True)) / 4 for counts in every]
    expected = [list(counts) for counts, ua in zip(every, mean, strict=True) if f"{ua:.1f}" == "50.4"]
    found = consistent_counts(support, 50.0, 50.4, {}, decimals=1)
    assert expected and found.to_numpy().tolist() == expected


@pytest.mark.parametrize(("printed", "right"), [(12, 1), (13, 1), (38, 3), (37, None), (62, 5), (63, 5)])
def test_halves_may_have_been_rounded_up_or_to_even(printed, right):
    """Of 8: 1 is 12.5 (12 or 13), 3 is 37.5 (38 both ways), 5 is 62.5 (62 or 63)."""
    found = consistent_counts((8, 1, 1, 1), *_scores(right or 0), {"anger": printed})
    assert found["anger"].tolist() == ([] if right is None else [right])


def _scores(anger: int) -> tuple:
    """Accuracy and no UA where only anger, of eleven utterances, is ever recognized."""
    return round(100 * anger / 11, 2), None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"support": (0, 192, 288, 192)}, "positive whole number"),
        ({"recalls": {"fear": 50}}, "recalls a name"),
        ({"recalls": {"anger": 54.9}}, "54.9 % has more than 0 decimals"),
        ({"support": (1000, 1000, 1000, 1000), "recalls": {}}, "too many combinations"),
    ],
)
def test_what_cannot_be_searched_is_said(change, told):
    printed = {"support": RAVDESS, "accuracy": ACCURACY, "ua": UNWEIGHTED_RECALL, "recalls": RECALLS}
    with pytest.raises(ValueError, match=told):
        consistent_counts(**printed | change)
