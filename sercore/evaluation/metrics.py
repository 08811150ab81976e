"""The paper's scores: WA (accuracy), UA (mean recall over the classes), macro F1 (section IV-A); CCC of dimensions."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from sercore.labels import DIMENSIONS, EMOTIONS


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


def score_dimensions(y_true, y_pred) -> dict[str, float]:
    """Scores ratings by Lin's concordance correlation coefficient: CCC_<dimension>, and CCC, their mean.

    2 cov / (var_true + var_pred + (mean_true - mean_pred)^2) of population moments (Biometrics 45(1), 1989).

    Args:
        y_true, y_pred: ratings (utterances, dimensions).

    Raises:
        ValueError: nothing to score, or different shapes.
    """
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    if not len(y_true) or not y_true.shape == y_pred.shape == (len(y_true), len(DIMENSIONS)):
        raise ValueError(f"cannot score predictions {y_pred.shape} against ratings {y_true.shape} of {DIMENSIONS}.")
    error, gap = ((y_true - y_pred) ** 2).mean(axis=0), y_true.mean(axis=0) - y_pred.mean(axis=0)
    apart = y_true.var(axis=0) + y_pred.var(axis=0) + gap**2  # the error, if they had no covariance
    ccc = 1 - np.divide(error, apart, out=np.zeros_like(error), where=apart > 0)
    return {"CCC": float(ccc.mean())} | dict(zip((f"CCC_{name}" for name in DIMENSIONS), ccc.tolist(), strict=True))


def tabulate_ratings(part: pd.DataFrame, ratings: np.ndarray) -> pd.DataFrame:
    """Predictions of a part, from ratings (utterances, dimensions): y_true_<dimension>, y_pred_<dimension>."""
    predicted = pd.DataFrame(ratings.round(6), part.index, DIMENSIONS).add_prefix("y_pred_")
    return pd.concat([part[["utterance", "speaker"]], part[[*DIMENSIONS]].add_prefix("y_true_"), predicted], axis=1)


def tabulate_predictions(part: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of a part, as predictions.csv holds them, from probabilities (utterances, emotions).

    Columns utterance, speaker, y_true, y_pred, and the probability of each emotion to six digits.
    """
    table = part[["utterance", "speaker"]].assign(y_true=part["emotion"])
    table["y_pred"] = np.array(EMOTIONS)[probabilities.argmax(axis=1)]
    return table.assign(**dict(zip(EMOTIONS, probabilities.round(6).T, strict=True)))
