"""Whether errors stay within an arousal level (paper, section V-B), and what chance alone would give."""

from math import lcm, prod

import numpy as np
import pandas as pd
from scipy.stats import binomtest, random_table

from sercore.emotions import EMOTIONS
from sercore.evaluation.metrics import score

AROUSAL = {"anger": "high", "happiness": "high", "neutral": "low", "sadness": "low"}
SAME = np.array([[AROUSAL[truth] == AROUSAL[predicted] for predicted in EMOTIONS] for truth in EMOTIONS])
LARGEST_SEARCH = 20_000_000  # combinations of counts


def arousal_accuracy(confusion) -> dict:
    """How often the predicted emotion has the arousal of the true one.

    Args:
        confusion: (4, 4) counts in the order of the emotions, rows are the truth.

    Returns:
        right and n (utterances), accuracy, low and high (Wilson 95 % interval), and floor, the accuracy of always
        answering the commoner arousal level.
    """
    counts = _counts(confusion)
    right, n = int(counts[SAME].sum()), int(counts.sum())
    low, high = _wilson(right, n)
    calm = int(counts[[AROUSAL[emotion] == "low" for emotion in EMOTIONS]].sum())
    return {"right": right, "n": n, "accuracy": right / n, "low": low, "high": high, "floor": max(calm, n - calm) / n}


def errors_within(confusion, draws: int = 10_000, seed: int = 0) -> dict:
    """Share of the errors that stay within the arousal level, against truth and prediction being independent.

    Chance is a random table with the same margins. Random tables without an error are left out.

    Args:
        confusion: (4, 4) counts in the order of the emotions, rows are the truth.
        draws: random tables.
        seed: of the draws.

    Returns:
        errors, within (counts), share, expected (mean of chance), expected_low and expected_high (2.5 and 97.5
        percentiles), p (one-sided, for a share at least as large), and statement, all of it in words. What is not
        defined is None: everything but the counts without errors, and chance where the margins leave one share only.
    """
    counts = _counts(confusion)
    errors, within = (int(number) for number in _errors(counts))
    found = dict.fromkeys(("share", "expected", "expected_low", "expected_high", "p"))
    found = {"errors": errors, "within": within} | found
    if not errors:
        return found | {"statement": "There is no error, so there is no share of errors within the arousal level."}
    share = within / errors
    told = f"{within} of {errors} errors ({share:.1%}) stay within the arousal level"
    tables = random_table(counts.sum(axis=1), counts.sum(axis=0)).rvs(draws, random_state=np.random.default_rng(seed))
    chance_errors, chance_within = _errors(tables)
    chance = chance_within[chance_errors > 0] / chance_errors[chance_errors > 0]
    if (chance == share).all():
        statement = f"{told}; chance with the same margins leaves no other share, so there is nothing to test."
        return found | {"share": share, "statement": statement}
    low, high = np.percentile(chance, [2.5, 97.5])
    p = (np.sum(chance >= share) + 1) / (len(chance) + 1)
    usual = f"{chance.mean():.1%} ({low:.1%} to {high:.1%})"
    statement = f"{told}; chance with the same margins gives {usual}, p = {p:.2g}."
    numbers = {"share": share, "expected": chance.mean(), "expected_low": low, "expected_high": high, "p": p}
    return found | {name: float(value) for name, value in numbers.items()} | {"statement": statement}


def by_group(predictions: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Scores of each group of utterances, such as a speaker or an intensity.

    Args:
        predictions: table of predictions.
        groups: a label per row of it, in the same order.

    Returns:
        Indexed by group, sorted: utterances, WA with WA_low and WA_high (Wilson 95 % interval), UA (over the emotions
        that occur in the group) and emotions, a note that names those that do not ("" if all do).
    """
    groups = pd.Series(np.asarray(groups))
    if len(groups) != len(predictions) or groups.isna().any():
        raise ValueError(f"{len(predictions)} predictions need one group each; got {groups.notna().sum()}.")
    rows = {name: _group(predictions.iloc[places]) for name, places in groups.groupby(groups).indices.items()}
    return pd.DataFrame.from_dict(rows, orient="index").sort_index().rename_axis("group")


def floors(truth) -> pd.DataFrame:
    """What always answering one emotion would score: emotion, WA, UA, macro_f1."""
    scores = {emotion: score(truth, [emotion] * len(truth)) for emotion in EMOTIONS}
    rows = [(emotion, own["WA"], own["UA"], own["macro_f1"]) for emotion, own in scores.items()]
    return pd.DataFrame(rows, columns=["emotion", "WA", "UA", "macro_f1"])


def consistent_counts(support, accuracy, ua, recalls: dict, decimals: int = 2) -> pd.DataFrame:
    """All numbers of recognized utterances that would be printed as the given percentages.

    Halves may have been rounded up or to even.

    Args:
        support: utterances of each emotion (4,).
        accuracy: WA in percent, with `decimals` digits.
        ua: UA in percent, with `decimals` digits, or None.
        recalls: emotion to recall in percent, without decimals; emotions may be left out.
        decimals: digits after the point of accuracy and UA.

    Returns:
        One row per solution, one column per emotion; no row if the percentages contradict each other.

    Raises:
        ValueError: a support that is no positive whole number, a name that is no emotion, a percentage with more
            digits than it may have, or too few recalls to search all combinations.
    """
    support = [int(number) for number in support if number == int(number) > 0]
    if len(support) != len(EMOTIONS) or set(recalls) - set(EMOTIONS):
        raise ValueError(f"support needs a positive whole number, recalls a name, for {', '.join(EMOTIONS)}.")
    possible = [np.arange(number + 1) for number in support]
    for place, emotion in enumerate(EMOTIONS):
        if emotion in recalls:
            possible[place] = possible[place][_prints(possible[place], support[place], recalls[emotion], 0)]
    totals = np.arange(sum(support) + 1)
    counts = _combinations(possible, totals[_prints(totals, sum(support), accuracy, decimals)])
    if ua is not None:
        common = lcm(*support)
        weighed = counts.astype(object) @ [common // number for number in support]  # may exceed 64 bits
        counts = counts[_prints(weighed, len(EMOTIONS) * common, ua, decimals)]
    return pd.DataFrame(counts, columns=EMOTIONS).sort_values([*EMOTIONS], ignore_index=True)


def _counts(confusion) -> np.ndarray:
    counts = np.asarray(confusion)
    if counts.shape != SAME.shape or (counts < 0).any() or not counts.any() or (counts % 1).any():
        raise ValueError(f"a confusion matrix holds counts of {len(EMOTIONS)} x {len(EMOTIONS)} emotions, not all 0.")
    return counts.astype(int)


def _errors(tables) -> tuple:
    """Errors, and errors within the arousal level, of confusion matrices (..., 4, 4)."""
    wrong = ~np.eye(len(EMOTIONS), dtype=bool)
    return tables[..., wrong].sum(axis=-1), tables[..., wrong & SAME].sum(axis=-1)


def _wilson(right: int, n: int) -> tuple[float, float]:
    interval = binomtest(right, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _group(own) -> dict:
    scores, n = score(own["truth"], own["predicted"]), len(own)
    low, high = _wilson(int((own["truth"] == own["predicted"]).sum()), n)
    absent = [emotion for emotion in EMOTIONS if not scores["per_class"][emotion]["support"]]
    note = f"no {', '.join(absent)}" if absent else ""
    return {"utterances": n, "WA": scores["WA"], "WA_low": low, "WA_high": high, "UA": scores["UA"], "emotions": note}


def _prints(numerators, denominator: int, percent: float, decimals: int) -> np.ndarray:
    """Which of the fractions are printed as the percentage, in whole numbers so that halves are exact."""
    digits = round(percent * 10**decimals)
    if abs(percent * 10**decimals - digits) > 1e-6:
        raise ValueError(f"{percent} % has more than {decimals} decimals; give it as printed.")
    off = 2 * (100 * 10**decimals * numerators - digits * denominator)
    return (-denominator <= off) & ((off < denominator) | ((off == denominator) & (digits % 2 == 0)))


def _combinations(possible: list, totals) -> np.ndarray:
    """One of the possible counts of each emotion (rows, 4), such that they add up to one of the totals."""
    longest = max(range(len(possible)), key=lambda place: len(possible[place]))
    others = [counts for place, counts in enumerate(possible) if place != longest]
    if prod(map(len, others)) > LARGEST_SEARCH:
        raise ValueError("too many combinations to search; give the recall of at least one more emotion.")
    grid = np.stack(np.meshgrid(*others, indexing="ij"), axis=-1).reshape(-1, len(others))
    found = [np.empty((0, len(possible)), int)]
    for total in totals:
        rest = total - grid.sum(axis=1)
        fits = np.isin(rest, possible[longest])
        found.append(np.insert(grid[fits], longest, rest[fits], axis=1))
    return np.concatenate(found)
