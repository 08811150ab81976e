"""The paper's scores: WA (accuracy), UA (mean recall over the classes) and macro F1 (section IV-A)."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from sercore.labels import EMOTIONS


def score(y_true, y_pred) -> dict:
    """Scores predictions: WA, UA, macro_f1, per_class {emotion: {precision, recall, f1, support}} and confusion.

    Args:
        y_true, y_pred: names of emotions (utterances,). UA and macro F1 are means over those that occur in `y_true`,
            as `support` shows; the confusion counts utterances, a row for each emotion of `y_true`.

    Raises:
        ValueError: nothing to score, different lengths, or a name that is no emotion.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if not len(y_true) or len(y_true) != len(y_pred):
        raise ValueError(f"cannot score {len(y_pred)} predictions against {len(y_true)} labels.")
    if unknown := sorted({*y_true, *y_pred} - {*EMOTIONS}, key=str):
        raise ValueError(f"unknown emotion '{unknown[0]}'; the emotions are {', '.join(EMOTIONS)}.")
    columns = precision_recall_fscore_support(y_true, y_pred, labels=EMOTIONS, zero_division=0)
    per_class = pd.DataFrame(dict(zip(("precision", "recall", "f1", "support"), columns, strict=True)), EMOTIONS)
    occurring = per_class[per_class["support"] > 0]
    return {
        "WA": float(accuracy_score(y_true, y_pred)),
        "UA": float(occurring["recall"].mean()),
        "macro_f1": float(occurring["f1"].mean()),
        "per_class": per_class.to_dict("index"),
        "confusion": confusion_matrix(y_true, y_pred, labels=EMOTIONS).tolist(),
    }


def tabulate_predictions(part: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of a part, as predictions.csv holds them, from probabilities (utterances, emotions).

    Columns utterance, speaker, y_true, y_pred, and the probability of each emotion to six digits.
    """
    table = part[["utterance", "speaker"]].assign(y_true=part["emotion"])
    table["y_pred"] = np.array(EMOTIONS)[probabilities.argmax(axis=1)]
    return table.assign(**dict(zip(EMOTIONS, probabilities.round(6).T, strict=True)))
