"""How far a number moves with who speaks (not with another training run): one bootstrap over whole speakers."""

import numpy as np
import pandas as pd

from sercore.evaluation.metrics import score
from sercore.labels import EMOTIONS

SCORES = ["WA", "UA", "macro_f1", *(f"{kind}_{emotion}" for kind in ("f1", "recall") for emotion in EMOTIONS)]


def draw_speakers(count: int, draws: int, seed: int) -> np.ndarray:
    """How often each of two or more speakers is drawn, with replacement: (draws + 1, count); row 0 is as measured."""
    if count < 2:
        raise ValueError("speakers are drawn, so that one alone has no interval; give at least two.")
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    return np.vstack([np.ones((1, count), int), drawn])


def bootstrap_scores(predictions, other=None, paired: bool = True, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Scores (as of `score`) of one model, or of two and the gain of the other, with intervals over speakers.

    Rows WA, UA, macro_f1, f1_<emotion>, recall_<emotion> of the emotions that occur; columns of `summarize_draws`.

    Args:
        predictions, other: tables of one or two models: utterance, speaker, y_true, y_pred.
        paired: both are of the same utterances, and the same speakers are drawn; else (two hold-outs) of each apart.

    Raises:
        ValueError: other utterances though paired, a name that is no emotion, fewer than two speakers.
    """
    if other is None:
        return summarize_draws(_draw_scores(predictions, draws, seed)).dropna()
    if paired:
        _check_pairs(predictions, other)
    drawn = _draw_scores(predictions, draws, seed), _draw_scores(other, draws, seed if paired else seed + 1)
    return summarize_draws(*drawn).dropna()


def bootstrap_shares(trials: pd.DataFrame, by, over=None, draws: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """The share of hits: conditions as they appear x 0 (as measured) .. `draws` of the same speakers; NaN without any.

    Args:
        trials: a row each: speaker, hit (1, 0, NaN where there is nothing to count) and the columns named next.
        by, over: columns that make a condition, and one over whose values the share is averaged (y_true makes a UA).
    """
    by = [by] if isinstance(by, str) else [*by]
    counts = _count_by_speaker(trials, [*by, over] if over else by)
    weights = draw_speakers(len(counts["count"].columns), draws, seed).T
    return (counts["sum"] @ weights / (counts["count"] @ weights)).groupby(level=by, sort=False).mean()


def summarize_draws(one: pd.DataFrame, other: pd.DataFrame | None = None) -> pd.DataFrame:
    """Draws (rows x 0 .. draws, 0 as measured) of one condition or two as numbers with 95 % percentile intervals.

    Columns value, low, high; with `other` one, one_low, one_high, the same of other, and of gain (other - one).
    """
    parts = {"": one} if other is None else {"one_": one, "other_": other, "gain_": other - one}
    columns = {}
    for name, drawn in parts.items():
        low, high = drawn.drop(columns=0).quantile([0.025, 0.975], axis=1).to_numpy()
        columns |= {name.rstrip("_") or "value": drawn[0], f"{name}low": low, f"{name}high": high}
    return pd.DataFrame(columns)


def _draw_scores(predictions: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    """Scores x draws, from the confusion matrix of each speaker; NaN of an emotion that never occurs."""
    score(predictions["y_true"], predictions["y_pred"])  # refuses what cannot be scored
    counts = _count_by_speaker(predictions.assign(hit=1), ["y_true", "y_pred"])["count"]
    cells = counts.reindex(pd.MultiIndex.from_product([EMOTIONS, EMOTIONS]), fill_value=0).to_numpy()
    confusions = (cells @ draw_speakers(cells.shape[1], draws, seed).T).reshape(len(EMOTIONS), len(EMOTIONS), -1)
    right, true, predicted = np.einsum("eed->ed", confusions), confusions.sum(axis=1), confusions.sum(axis=0)
    recall, f1 = right / np.maximum(true, 1), 2 * right / np.maximum(true + predicted, 1)
    means = [right.sum(axis=0) / true.sum(axis=0), *(by.mean(axis=0, where=true > 0) for by in (recall, f1))]
    classes = [np.where(true[:, :1] > 0, by, np.nan) for by in (f1, recall)]
    return pd.DataFrame(np.vstack([*means, *classes]), SCORES)


def _count_by_speaker(trials: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The sum of hits and the count of trials, a row for each value of `by`, a column for each speaker."""
    if missing := trials["speaker"].isna().sum():
        raise ValueError(f"rows without a speaker: {missing}; speakers are drawn, name them all.")
    hit = trials.astype({"hit": float}).groupby([*by, "speaker"], sort=False, observed=True)["hit"]
    return hit.agg(["sum", "count"]).unstack(fill_value=0, sort=False).sort_index(axis=1)


def _check_pairs(one: pd.DataFrame, other: pd.DataFrame) -> None:
    rows = pd.concat([one, other])[["utterance", "speaker", "y_true"]].value_counts()
    if wrong := [utterance for utterance, *_ in rows.index[rows != 2]]:
        problem = f"{len(wrong)} utterances are not once in both tables with the same speaker and label"
        raise ValueError(f"{problem}, for example {wrong[0]}; compare predictions of the same utterances.")
