"""The paper's scores: WA (accuracy), UA (mean recall over the classes) and macro F1."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from sercore.emotions import EMOTIONS


def score(y_true, y_pred) -> dict:
    """Scores predictions.

    UA and macro F1 are means over the emotions that occur in `y_true`; `support` shows which do.

    Args:
        y_true: emotions (utterances,), as names.
        y_pred: the same.

    Returns:
        Plain numbers: WA, UA, macro_f1, per_class (precision, recall, f1, support of each emotion) and confusion
        (4 x 4 counts, rows are the truth).

    Raises:
        ValueError: nothing to score, different lengths, or a name that is no emotion.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if not len(y_true) or len(y_true) != len(y_pred):
        raise ValueError(f"cannot score {len(y_pred)} predictions against {len(y_true)} labels.")
    unknown = sorted((set(y_true) | set(y_pred)) - set(EMOTIONS))
    if unknown:
        raise ValueError(f"unknown emotion '{unknown[0]}'; the emotions are {', '.join(EMOTIONS)}.")
    precision, recall, f1, support = precision_recall_fscore_support(y_true, y_pred, labels=EMOTIONS, zero_division=0)
    occurs = support > 0
    columns = zip(precision.tolist(), recall.tolist(), f1.tolist(), support.tolist(), strict=True)
    return {
        "WA": float(accuracy_score(y_true, y_pred)),
        "UA": float(recall[occurs].mean()),
        "macro_f1": float(f1[occurs].mean()),
        "per_class": {
            emotion: dict(zip(("precision", "recall", "f1", "support"), column, strict=True))
            for emotion, column in zip(EMOTIONS, columns, strict=True)
        },
        "confusion": confusion_matrix(y_true, y_pred, labels=EMOTIONS).tolist(),
    }


def predictions(part: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """What a model says of each utterance, as in a run's predictions.csv.

    Args:
        part: utterances with `utterance`, `speaker` and `emotion`.
        probabilities: (utterances, 4) in the order of the emotions.

    Returns:
        utterance, speaker, truth, predicted and one probability per emotion, to six digits.
    """
    table = part[["utterance", "speaker"]].assign(truth=part["emotion"])
    table["predicted"] = np.array(EMOTIONS)[probabilities.argmax(-1)]
    return table.assign(**dict(zip(EMOTIONS, probabilities.round(6).T, strict=True)))
