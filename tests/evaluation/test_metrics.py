"""WA, UA, macro F1 and CCC on worked examples, and where they have no value."""

import numpy as np
import pandas as pd
import pytest

from sercore.evaluation import score, score_dimensions, tabulate_predictions, tabulate_ratings
from sercore.labels import DIMENSIONS, EMOTIONS

# 4 anger of which 3 right, 2 happiness of which 1 right, 2 neutral both right, 2 sadness none right (called neutral).
Y_TRUE = ["anger"] * 4 + ["happiness"] * 2 + ["neutral"] * 2 + ["sadness"] * 2
Y_PRED = ["anger"] * 3 + ["happiness"] + ["anger", "happiness"] + ["neutral"] * 4


def test_worked_example():
    """By hand: 6 of 10 right; recalls .75 .5 1 0; F1 .75 .5 2/3 0."""
    scores = score(Y_TRUE, Y_PRED)
    assert scores["WA"] == pytest.approx(0.6)
    assert scores["UA"] == pytest.approx((0.75 + 0.5 + 1 + 0) / 4)
    assert scores["macro_f1"] == pytest.approx((0.75 + 0.5 + 2 / 3 + 0) / 4)
    assert scores["confusion"] == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 0], [0, 0, 2, 0]]
    assert scores["per_class"]["neutral"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 2}


def test_absent_emotion_is_left_out_of_the_means_and_shows_no_support():
    scores = score(["anger", "neutral"], ["anger", "sadness"])
    assert scores["UA"] == 0.5 and scores["per_class"]["happiness"]["support"] == 0


def test_all_predictions_equal_gives_numbers_not_nan():
    scores = score(Y_TRUE, ["neutral"] * 10)
    assert (scores["WA"], scores["UA"]) == (0.2, 0.25)


@pytest.mark.parametrize(("y_true", "y_pred"), [([], []), (["anger"], ["anger", "anger"])])
def test_nothing_to_score_is_said(y_true, y_pred):
    with pytest.raises(ValueError, match="cannot score"):
        score(y_true, y_pred)


def test_unknown_emotion_is_named():
    with pytest.raises(ValueError, match="unknown emotion 'fear'"):
        score(["anger"], ["fear"])


def test_predictions_are_the_most_probable_emotions():
    part = pd.DataFrame({"utterance": ["u1", "u2"], "speaker": ["a", "b"], "emotion": ["anger", "sadness"], "path": ""})
    table = tabulate_predictions(part, np.array([[0.1, 0.2, 0.3, 0.4], [0.70000049, 0.1, 0.1, 0.09999951]]))
    assert list(table) == ["utterance", "speaker", "y_true", "y_pred", *EMOTIONS]
    assert table["y_true"].tolist() == ["anger", "sadness"] and table["y_pred"].tolist() == ["sadness", "anger"]
    assert table["anger"].tolist() == [0.1, 0.7]


def ratings(*columns) -> np.ndarray:
    """(utterances, dimensions) of valence, activation, dominance."""
    return np.column_stack(columns)


def test_worked_concordance():
    """By hand, of 1 2 3 4 (mean 2.5, variance 1.25).

    Valence 2 2 3 3: variance .25, covariance .5, 2 x .5 / (1.25 + .25) = 2/3. Activation one too high: covariance 1.25,
    2 x 1.25 / (1.25 + 1.25 + 1) = 5/7. Dominance the other way round: -1.
    """
    scores = score_dimensions(ratings(*[[1, 2, 3, 4]] * 3), ratings([2, 2, 3, 3], [2, 3, 4, 5], [4, 3, 2, 1]))
    assert list(scores) == ["CCC", "CCC_valence", "CCC_activation", "CCC_dominance"]
    assert [*scores.values()] == pytest.approx([(2 / 3 + 5 / 7 - 1) / 3, 2 / 3, 5 / 7, -1])


def test_concordance_of_a_constant_is_none_and_of_equal_constants_whole():
    """Without spread the coefficient is 0, or 0/0 where all agree; a number in both cases."""
    scores = score_dimensions(ratings([1, 3], [3, 3], [3, 3]), ratings([2, 2], [3, 3], [1, 3]))
    assert [*scores.values()][1:] == [0, 1, 0]


@pytest.mark.parametrize(("y_true", "y_pred"), [((0, 3), (0, 3)), ((2, 3), (3, 3)), ((2, 4), (2, 4)), ((3,), (3,))])
def test_ratings_that_cannot_be_scored_are_said(y_true, y_pred):
    with pytest.raises(ValueError, match="cannot score predictions"):
        score_dimensions(np.ones(y_true), np.ones(y_pred))


def test_predicted_ratings_stand_beside_the_raters():
    part = pd.DataFrame({"utterance": ["u1"], "speaker": "a", "dominance": 2.5, "activation": 4.0, "valence": 1.5})
    table = tabulate_ratings(part, np.array([[1.0000004, 2.0, 3.0]]))
    pairs = [f"y_{side}_{name}" for side in ("true", "pred") for name in DIMENSIONS]
    assert list(table) == ["utterance", "speaker", *pairs]
    assert table[pairs].to_numpy().tolist() == [[1.5, 4.0, 2.5, 1.0, 2.0, 3.0]]
