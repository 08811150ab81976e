"""Speaker normalization: a speaker's embeddings brought to the moments of the training corpus, without a label."""

import numpy as np
import pandas as pd


def fit_moments(embeddings) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (population) standard deviation (dimensions,) of embeddings (utterances, dimensions)."""
    embeddings = np.asarray(embeddings, float)
    if not len(embeddings):
        raise ValueError("no embeddings to take moments of; give at least one utterance.")
    # From the first utterance on, so that the deviation of a constant dimension is exactly 0.
    return embeddings.mean(axis=0), (embeddings - embeddings[0]).std(axis=0)


def align_moments(embeddings, source, groups=None) -> np.ndarray:
    """Shifts and scales each dimension so that its mean and deviation equal the source's.

    Args:
        embeddings: (utterances, dimensions) of the target corpus.
        source: mean and deviation of the training corpus, from `fit_moments`.
        groups: one per utterance, such as its speaker, each to be aligned by itself; None for the whole.

    Returns:
        (utterances, dimensions), float64; the source's mean where a dimension does not vary within its group.
    """
    embeddings = np.asarray(embeddings, float)
    codes, names = pd.factorize(np.zeros(len(embeddings)) if groups is None else np.asarray(groups))
    if len(codes) != len(embeddings) or (codes < 0).any():
        raise ValueError(f"{len(embeddings)} embeddings need one speaker (or group) each; name them all.")
    aligned = np.empty_like(embeddings)
    for rows in (codes == code for code in range(len(names))):
        mean, deviation = fit_moments(embeddings[rows])
        gain = np.divide(source[1], deviation, out=np.zeros_like(deviation), where=deviation > 0)
        aligned[rows] = (embeddings[rows] - mean) * gain + source[0]
    return aligned
