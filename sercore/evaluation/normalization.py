"""Speaker normalization: a speaker's embeddings brought to the moments of the training corpus, without a label."""

import numpy as np
import pandas as pd

PRIOR = 8  # utterances; fixed beforehand, not tuned on any target corpus


def fit_moments(embeddings) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (population) standard deviation (dimensions,) of embeddings (utterances, dimensions)."""
    embeddings = np.asarray(embeddings, float)
    if not len(embeddings):
        raise ValueError("no embeddings to take moments of; give at least one utterance.")
    # From the first utterance on, so that the deviation of a constant dimension is exactly 0.
    return embeddings.mean(axis=0), (embeddings - embeddings[0]).std(axis=0)


def align_moments(embeddings, source, groups=None, find_moments=fit_moments) -> np.ndarray:
    """Shifts and scales each dimension so that its mean and deviation equal the source's.

    Args:
        embeddings: (utterances, dimensions) of the target corpus.
        source: mean and deviation of the training corpus, from `fit_moments`.
        groups: one per utterance, such as its speaker, each to be aligned by itself; None for the whole.
        find_moments: gives the moments of a group's embeddings.

    Returns:
        (utterances, dimensions), float64; the source's mean where a dimension does not vary within its group.
    """
    embeddings = np.asarray(embeddings, float)
    codes, names = pd.factorize(np.zeros(len(embeddings)) if groups is None else np.asarray(groups))
    if len(codes) != len(embeddings) or (codes < 0).any():
        raise ValueError(f"{len(embeddings)} embeddings need one speaker (or group) each; name them all.")
    aligned = np.empty_like(embeddings)
    for rows in (codes == code for code in range(len(names))):
        mean, deviation = find_moments(embeddings[rows])
        gain = np.divide(source[1], deviation, out=np.zeros_like(deviation), where=deviation > 0)
        aligned[rows] = (embeddings[rows] - mean) * gain + source[0]
    return aligned


def align_arriving(embeddings, source, groups, order, prior: float = PRIOR) -> np.ndarray:
    """`align_moments` as a phone could run it: each utterance by the moments of its group up to it.

    Args:
        embeddings, source, groups: as `align_moments`.
        order: the rows as they arrive, a permutation.
        prior: how many utterances with the source's moments count as come before; with 0, the first lands on the mean.
    """
    embeddings, groups, order = np.asarray(embeddings, float), np.asarray(groups), np.asarray(order)
    if not np.array_equal(np.sort(order), np.arange(len(embeddings))):
        raise ValueError(f"the order of arrival must hold each of the {len(embeddings)} rows once.")
    if prior < 0:
        raise ValueError(f"prior is {prior}; give a number of utterances, 0 or more.")
    arrived = align_moments(embeddings[order], source, groups[order], lambda own: _running_moments(own, source, prior))
    return arrived[order.argsort()]


def _running_moments(arriving, source, prior) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (utterances, dimensions) up to each, from the first on as in `fit_moments`."""
    weight = prior + np.arange(1, len(arriving) + 1)[:, None]
    away, center = arriving - arriving[0], source[0] - arriving[0]
    mean = (prior * center + away.cumsum(axis=0)) / weight
    square = (prior * (source[1] ** 2 + center**2) + (away**2).cumsum(axis=0)) / weight
    return arriving[0] + mean, np.sqrt(square - mean**2)
