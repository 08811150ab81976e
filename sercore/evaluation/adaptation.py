"""How much of a cross-corpus gap is a shift of the embeddings' first two moments, which needs no label to undo.

A model's last layer is linear over a pooled embedding. Shifting and scaling the embeddings of an unheard corpus until
each dimension has the mean and deviation of the training corpus leaves the model itself as it is.
"""

import numpy as np
import pandas as pd
from scipy.special import softmax

from sercore.emotions import EMOTIONS

PRIOR = 8  # utterances; fixed beforehand, not tuned on any target corpus
DRAWS = 1000  # of the bootstrap over speakers


def moments(embeddings) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (population) standard deviation of each dimension; the deviation of a constant one is exactly 0.

    Args:
        embeddings: (utterances, dimensions).

    Returns:
        Mean and deviation, each (dimensions,).

    Raises:
        ValueError: there is no utterance.
    """
    embeddings = np.asarray(embeddings, float)
    if not len(embeddings):
        raise ValueError("no embeddings to take moments of; give at least one utterance.")
    away = embeddings - embeddings[0]
    return embeddings.mean(axis=0), away.std(axis=0)


def align(embeddings, source, groups=None) -> np.ndarray:
    """Shifts and scales each dimension so that its mean and deviation equal the source's.

    A dimension that does not vary within a group gets the source's mean; so does all of a group of one utterance,
    whose emotion is then lost.

    Args:
        embeddings: (utterances, dimensions) of the target corpus.
        source: mean and deviation of the training corpus, from `moments`.
        groups: a label per utterance, such as its speaker, to align each group by itself; the whole by default.

    Returns:
        (utterances, dimensions), float64.
    """
    embeddings = np.asarray(embeddings, float)
    aligned = np.empty_like(embeddings)
    for rows in _rows(np.zeros(len(embeddings)) if groups is None else groups, len(embeddings)):
        aligned[rows] = _mapped(embeddings[rows], moments(embeddings[rows]), source)
    return aligned


def align_arriving(embeddings, source, groups, order, prior=PRIOR) -> np.ndarray:
    """Alignment per speaker as a phone could run it: each utterance with what has been heard up to it, itself included.

    The running mean and second moment start as if `prior` utterances with the source's moments had been heard, so
    that the first utterance is hardly changed. Without a prior, the first lands on the source's mean.

    Args:
        embeddings: (utterances, dimensions) of the target corpus.
        source: mean and deviation of the training corpus, from `moments`.
        groups: a label per utterance, such as its speaker.
        order: the rows as they arrive, a permutation.
        prior: utterances, 0 or more.

    Returns:
        (utterances, dimensions), float64, in the order of `embeddings`.

    Raises:
        ValueError: the order is no permutation of the rows, or the prior is negative.
    """
    embeddings, order = np.asarray(embeddings, float), np.asarray(order)
    if not np.array_equal(np.sort(order), np.arange(len(embeddings))):
        raise ValueError(f"the order of arrival must hold each of the {len(embeddings)} rows once.")
    if not 0 <= prior < np.inf:
        raise ValueError(f"prior is {prior}; give a number of utterances, 0 or more.")
    aligned = np.empty_like(embeddings)
    for places in _rows(np.asarray(groups)[order], len(embeddings)):
        rows = order[places]
        aligned[rows] = _mapped(embeddings[rows], _running_moments(embeddings[rows], source, prior), source)
    return aligned


def classify(embeddings, head) -> np.ndarray:
    """Probabilities (utterances, 4) from the model's last layer.

    Args:
        embeddings: (utterances, dimensions).
        head: weight (4, dimensions) and bias (4,), in the order of the emotions.
    """
    weight, bias = head
    return softmax(embeddings @ weight.T + bias, axis=1)


def variants(embeddings, source, head, speakers, seed=0) -> dict[str, np.ndarray]:
    """Probabilities (utterances, 4) without alignment and with each kind of it; `seed` draws one order of arrival."""
    order = np.random.default_rng(seed).permutation(len(embeddings))
    aligned = {
        "as it is": embeddings,
        "whole corpus": align(embeddings, source),
        "per speaker": align(embeddings, source, speakers),
        "per speaker, arriving": align_arriving(embeddings, source, speakers, order),
    }
    return {name: classify(rows, head) for name, rows in aligned.items()}


def by_arrival(embeddings, source, head, speakers, truth, orders=100, seed=0) -> pd.DataFrame:
    """UA by how many utterances of the speaker have been heard, under `align_arriving`.

    Random orders of arrival are pooled: over many of them every utterance appears at every position, so that the
    positions differ in what has been heard and not in which utterances happen to stand there.

    Args:
        embeddings: (utterances, dimensions) of the target corpus.
        source: mean and deviation of the training corpus, from `moments`.
        head: weight (4, dimensions) and bias (4,).
        speakers: of the utterances.
        truth: their emotions.
        orders: how many orders of arrival are pooled, at least 1.
        seed: of the orders and of the bootstrap.

    Returns:
        One row per number of utterances heard (the current one included), up to the fewest that a speaker has:
        utterances, UA, and low and high, a 95 % percentile bootstrap over speakers.
    """
    if orders < 1:
        raise ValueError(f"orders is {orders}; at least one order of arrival is needed.")
    embeddings, rng = np.asarray(embeddings, float), np.random.default_rng(seed)
    speaker, emotion = _numbered(speakers, len(embeddings)), _emotions(truth, len(embeddings))
    sizes = np.bincount(speaker)
    right, heard = np.zeros((2, len(sizes), sizes.max(), len(EMOTIONS)))
    for _ in range(orders):
        order = rng.permutation(len(embeddings))
        place = np.empty_like(order)
        place[order] = pd.Series(order).groupby(speaker[order]).cumcount()
        aligned = align_arriving(embeddings, source, speaker, order)
        np.add.at(right, (speaker, place, emotion), classify(aligned, head).argmax(axis=1) == emotion)
        np.add.at(heard, (speaker, place, emotion), 1)
    right, heard = right[:, : sizes.min()], heard[:, : sizes.min()]
    drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=DRAWS)  # times each speaker is drawn
    ua = _ua(np.tensordot(drawn, right, 1), np.tensordot(drawn, heard, 1))
    low, high = np.percentile(ua, [2.5, 97.5], axis=0)
    columns = {"UA": _ua(right.sum(axis=0), heard.sum(axis=0)), "low": low, "high": high}
    return pd.DataFrame({"utterances": np.arange(1, sizes.min() + 1), **columns})


def when_unbalanced(
    embeddings, source, head, speakers, truth, heard=16, shares=(0.25, 0.5, 0.75, 1.0), repeats=20, seed=0
) -> pd.DataFrame:
    """UA of the alignment per speaker when the few utterances that its moments come from are mostly of one emotion.

    All utterances of a speaker, heard or not, are mapped with the moments of the heard ones, without a prior.

    Args:
        embeddings: (utterances, dimensions) of the target corpus.
        source: mean and deviation of the training corpus, from `moments`.
        head: weight (4, dimensions) and bias (4,).
        speakers: of the utterances.
        truth: their emotions.
        heard: utterances of each speaker that the moments come from; lowered to the fewest that any speaker has of
            any emotion, so that they can all be of one emotion. `attrs["heard"]` has the number used.
        shares: of the one emotion in them, to the nearest whole utterance; the others share the rest evenly.
        repeats: random draws for each emotion and share.
        seed: of the draws.

    Returns:
        emotion, share, UA (mean over the repeats), UA_least and UA_most. An emotion that some speaker lacks is
        never heard, has no rows and is named in `attrs["left_out"]`.

    Raises:
        ValueError: a share outside 0..1, nothing to draw, or fewer than two emotions that every speaker has.
    """
    if min(heard, repeats) < 1 or not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"cannot draw {heard} utterances {repeats} times at shares {shares}; shares lie in 0..1.")
    embeddings, rng = np.asarray(embeddings, float), np.random.default_rng(seed)
    emotion = _emotions(truth, len(embeddings))
    groups = _rows(speakers, len(embeddings))
    fewest = np.min([np.bincount(emotion[rows], minlength=len(EMOTIONS)) for rows in groups], axis=0)
    usable = np.flatnonzero(fewest)
    if len(usable) < 2:
        raise ValueError("fewer than two emotions that every speaker has; leave out the speakers that lack some.")
    heard = min(heard, int(fewest[usable].min()))

    def once(one, share):
        aligned = np.empty_like(embeddings)
        for rows in groups:
            chosen = _draw(rows, emotion, _amounts(usable, one, heard, share, rng), rng)
            aligned[rows] = _mapped(embeddings[rows], moments(embeddings[chosen]), source)
        right = emotion[classify(aligned, head).argmax(axis=1) == emotion]
        return _ua(*(np.bincount(codes, minlength=len(EMOTIONS)) for codes in (right, emotion)))

    found = {(EMOTIONS[one], share): [once(one, share) for _ in range(repeats)] for one in usable for share in shares}
    rows = [(*key, float(np.mean(ua)), float(min(ua)), float(max(ua))) for key, ua in found.items()]
    table = pd.DataFrame(rows, columns=["emotion", "share", "UA", "UA_least", "UA_most"])
    table.attrs |= {"heard": heard, "left_out": [EMOTIONS[one] for one in np.flatnonzero(fewest == 0)]}
    return table


def _mapped(embeddings, own, source) -> np.ndarray:
    """Takes moments `own` to the source's; where the own deviation is 0, to the source's mean."""
    gain = np.divide(source[1], own[1], out=np.zeros(np.shape(own[1])), where=own[1] > 0)
    return (embeddings - own[0]) * gain + source[0]


def _running_moments(arriving, source, prior) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (utterances, dimensions) after each utterance, the source's weighing `prior` utterances.

    Sums are of distances from the first utterance: the variance of a constant dimension is then exactly 0.
    """
    weight = prior + np.arange(1, len(arriving) + 1)[:, None]
    first, center = arriving[0], source[0] - arriving[0]
    away = arriving - first
    mean = (prior * center + away.cumsum(axis=0)) / weight
    square = (prior * (source[1] ** 2 + center**2) + (away**2).cumsum(axis=0)) / weight
    return first + mean, np.sqrt(square - mean**2)


def _amounts(usable, one, heard, share, rng) -> dict[int, int]:
    """How many utterances of each emotion are heard; which of the others has one more than another is drawn."""
    many = round(share * heard)
    others = rng.permutation(usable[usable != one])
    return {one: many} | {other: (heard - many + place) // len(others) for place, other in enumerate(others)}


def _draw(rows, emotion, amounts, rng) -> np.ndarray:
    """Rows with so many of each emotion, none twice."""
    own = [rng.choice(rows[emotion[rows] == code], amount, replace=False) for code, amount in amounts.items()]
    return np.concatenate(own)


def _ua(right, total) -> np.ndarray:
    """Mean recall over the emotions (last axis) that occur, from counts."""
    recall = np.divide(right, total, out=np.zeros(np.shape(right)), where=total > 0)
    return recall.sum(axis=-1) / (total > 0).sum(axis=-1)


def _numbered(labels, utterances) -> np.ndarray:
    """A number from 0 for each label."""
    codes = pd.factorize(np.asarray(labels))[0]
    if len(codes) != utterances or (codes < 0).any():
        told = f"got {len(codes)}, {(codes < 0).sum()} of them missing"
        raise ValueError(f"{utterances} embeddings need one speaker (or group) each; {told}.")
    return codes


def _rows(labels, utterances) -> list[np.ndarray]:
    """The rows of each group."""
    codes = _numbered(labels, utterances)
    return [np.flatnonzero(codes == code) for code in range(codes.max(initial=-1) + 1)]


def _emotions(truth, utterances) -> np.ndarray:
    """Each emotion's place in their order."""
    codes = pd.Index(EMOTIONS).get_indexer(np.asarray(truth))
    if len(codes) != utterances or (codes < 0).any():
        told = f"got {len(codes)}, {(codes < 0).sum()} of them unknown"
        raise ValueError(f"{utterances} embeddings need one emotion each ({', '.join(EMOTIONS)}); {told}.")
    return codes
