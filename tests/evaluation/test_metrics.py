"""WA, UA and macro F1 on a worked example, and where they have no answer."""

import numpy as np
import pandas as pd
import pytest

from sercore.evaluation import score, tabulate_predictions
from sercore.labels import EMOTIONS

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
