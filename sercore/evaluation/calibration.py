"""Whether a probability means what it says: of the utterances given 70 %, are 70 % right?"""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from sercore.emotions import EMOTIONS

SMALLEST = 1e-7  # predictions hold six digits, so that a stored 0 may be anything below 5e-7
TEMPERATURES = (0.05, 20.0)  # the range that is searched


def confidence(predictions: pd.DataFrame) -> pd.Series:
    """Probability of the predicted emotion, one per row.

    Raises:
        ValueError: there are no predictions, or one that is no emotion.
    """
    values = _of_column(predictions[[*EMOTIONS]].to_numpy(), predictions, "predicted")
    return pd.Series(values, predictions.index, name="confidence")


def reliability(predictions: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """How often predictions are right, by how sure they are.

    Args:
        predictions: table of predictions.
        bins: of equal width over 0..1; each holds its lower edge, the last one also 1.

    Returns:
        One row per bin that is not empty: low, high, utterances, confidence (mean) and accuracy.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; give at least 1.")
    sure = confidence(predictions)
    place = np.minimum(np.floor((sure * bins).round(9)), bins - 1)  # 0.29 * 100 is 28.999999999999996
    right = predictions["truth"] == predictions["predicted"]
    groups = pd.DataFrame({"place": place, "confidence": sure, "accuracy": right}).groupby("place")
    table = groups.mean().assign(low=lambda own: own.index / bins, high=lambda own: (own.index + 1) / bins)
    table = table.assign(utterances=groups.size()).reset_index(drop=True)
    return table[["low", "high", "utterances", "confidence", "accuracy"]]


def ece(predictions: pd.DataFrame, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance of accuracy from confidence, by utterances."""
    table = reliability(predictions, bins)
    return float(np.average((table["accuracy"] - table["confidence"]).abs(), weights=table["utterances"]))


def nll(predictions: pd.DataFrame) -> float:
    """Mean negative log probability of the truth (nats), probabilities clipped at `SMALLEST`."""
    probabilities = softmax(_logs(predictions), axis=1)
    return float(log_loss(np.asarray(predictions["truth"]), probabilities, labels=[*EMOTIONS]))


def temperature(predictions: pd.DataFrame) -> float:
    """The T for which softmax(log p / T) has the least log loss; above 1 where the model is too sure.

    Probabilities are clipped at `SMALLEST` before the log. The result is close to an edge of `TEMPERATURES` where the
    loss has no minimum inside: the lower one if every prediction is right, the upper one if they are no better than
    chance.
    """
    logs = _logs(predictions)

    def loss(power):
        return -_of_column(log_softmax(logs / np.exp(power), axis=1), predictions, "truth").mean()

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def scaled(predictions: pd.DataFrame, temperature) -> pd.DataFrame:
    """The predictions with softmax(log p / T) as probabilities; what is predicted stays.

    Args:
        predictions: table of predictions.
        temperature: T, one number or one per row, above 0.
    """
    temperature = np.asarray(temperature, float)
    if not (temperature > 0).all():
        raise ValueError(f"the temperature is {temperature.min()}; give a number above 0.")
    probabilities = softmax(_logs(predictions) / temperature.reshape(-1, 1), axis=1)
    return predictions.assign(**dict(zip(EMOTIONS, probabilities.T, strict=True)))


def cross_scaled(predictions: pd.DataFrame, parts: int = 5) -> pd.DataFrame:
    """Scales every utterance with a temperature fitted on other speakers, so that what is measured after is honest.

    Args:
        predictions: table of predictions.
        parts: groups of speakers; as many as there are speakers if those are fewer.

    Raises:
        ValueError: there is only one speaker.
    """
    speakers = predictions["speaker"]
    if speakers.nunique() < 2:
        raise ValueError("a temperature must be fitted on other speakers; give predictions of two or more.")
    folds = GroupKFold(min(parts, speakers.nunique())).split(predictions, groups=speakers)
    fitted = np.empty(len(predictions))
    for others, own in folds:
        fitted[own] = temperature(predictions.iloc[others])
    return scaled(predictions, fitted)


def _logs(predictions) -> np.ndarray:
    return np.log(predictions[[*EMOTIONS]].to_numpy(float).clip(SMALLEST))


def _of_column(values, predictions, column) -> np.ndarray:
    """The value (of four) of the emotion that `column` names, for each row."""
    places = pd.Index(EMOTIONS).get_indexer(predictions[column])
    if not len(places) or (places < 0).any():
        raise ValueError(f"{(places < 0).sum()} of {len(places)} rows name no emotion as {column}; give predictions.")
    return values[np.arange(len(places)), places]
