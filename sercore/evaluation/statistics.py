"""Two arms over the same folds, two models on the same utterances: what the numbers can and cannot show."""

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import scipy.stats

from sercore.emotions import EMOTIONS
from sercore.evaluation.metrics import score

# Scores that agree to so many digits are equal: .7 - .6 and .6 - .5 differ by rounding only.
DIGITS = 12
DRAWS_AT_ONCE = 500
ROWS = ["WA", "UA", "macro_f1", *(f"{kind}_{emotion}" for kind in ("f1", "recall") for emotion in EMOTIONS)]


def fold_tests(one, other) -> dict:
    """Paired tests of two arms over the same folds.

    The signed-rank p is exact. Folds without a difference are dropped (Wilcoxon's rule); if some of the other
    differences are tied, all their signs are enumerated (up to 13 folds; beyond that 9,999 random ones, seed 0).

    Args:
        one, other: one score per fold (folds,), the same folds in the same order.

    Returns:
        n, mean_one, sd_one, mean_other, sd_other, gain (other - one), sd_gain; t, p_t and t_critical of the paired
        t test (two-sided, 5 %); p_wilcoxon and p_wilcoxon_least, the smallest that n folds can reach; `statement`,
        a sentence where a test is undefined, else "". Spreads are sample standard deviations. Undefined is None.

    Raises:
        ValueError: no folds, arms of different length, or a fold without a score.
    """
    one, other = _scores(one), _scores(other)
    if len(one) != len(other):
        raise ValueError(f"the arms have {len(one)} and {len(other)} folds; compare them over the same folds.")
    n, gains = len(one), (other - one).round(DIGITS)
    statement = _untestable(gains)
    t, p_t = (None, None) if statement else map(float, scipy.stats.ttest_rel(other, one))
    return {
        "n": n,
        "mean_one": float(one.mean()),
        "sd_one": _sd(one),
        "mean_other": float(other.mean()),
        "sd_other": _sd(other),
        "gain": float(other.mean() - one.mean()),
        "sd_gain": _sd(gains),
        "t": t,
        "p_t": p_t,
        "t_critical": t_critical(n) if n > 1 else None,
        "p_wilcoxon": _signed_rank(gains),
        "p_wilcoxon_least": 2 / 2**n,
        "statement": statement,
    }


def t_critical(n: int, alpha: float = 0.05) -> float:
    """What |t| of n pairs has to exceed for a two-sided p below alpha."""
    _require_two(n)
    return float(scipy.stats.t.isf(alpha / 2, n - 1))


def t_range(mean_one, sd_one, mean_other, sd_other, n: int, rounding: float = 0.0) -> tuple[float, float]:
    """Smallest and largest paired t (the sign of other - one) that printed means and spreads allow.

    How the arms correlate over the folds is not printed: the standard deviation of the differences lies between the
    difference of the spreads (correlation 1) and their sum (correlation -1). Where it can reach 0, the bound is
    infinite. Spreads are taken for sample standard deviations (n - 1); if they were divided by n, both bounds shrink
    by sqrt((n - 1) / n). `rounding` is half a unit of the last printed digit, by which each number may be off.
    """
    _require_two(n)
    low, high = mean_other - mean_one - 2 * rounding, mean_other - mean_one + 2 * rounding
    least = max(abs(sd_one - sd_other) - 2 * rounding, 0)
    most = sd_one + sd_other + 2 * rounding
    return _t(low, least if low < 0 else most, n), _t(high, most if high < 0 else least, n)


def f_test(sd_one, sd_other, n_one: int, n_other: int) -> dict:
    """F test of two sample standard deviations over n folds each, the larger variance over the smaller.

    It takes the arms as independent and normal; arms over the same folds are not independent.

    Returns:
        F, p (two-sided) and `statement`, a sentence where both are undefined (None), else "".
    """
    if min(n_one, n_other) < 2:
        return {"F": None, "p": None, "statement": "One fold: there is no spread to compare."}
    (small, n_small), (large, n_large) = sorted([(sd_one, n_one), (sd_other, n_other)])
    if small == 0:
        return {"F": None, "p": None, "statement": "An arm scores the same in every fold: F is undefined."}
    ratio = float(large / small) ** 2
    null = scipy.stats.f(n_large - 1, n_small - 1)
    return {"F": ratio, "p": float(2 * min(null.sf(ratio), null.cdf(ratio))), "statement": ""}


def spread_tests(one, other) -> dict:
    """Do two arms scatter differently over their folds? `f_test`, and Levene's around the median (Brown-Forsythe).

    Both take the arms as independent; the second does not need them to be normal.

    Returns:
        F, p_F, W, p_levene (None where undefined) and `statement`, which then says why, else "".
    """
    one, other = _scores(one), _scores(other)
    ratio = f_test(_sd(one), _sd(other), len(one), len(other))
    distances = [abs(arm - np.median(arm)).round(DIGITS) for arm in (one, other)]
    w, p_levene, statement = None, None, "All folds of an arm are equally far from its median: W is undefined."
    if any(np.ptp(distance) for distance in distances):
        (w, p_levene), statement = map(float, scipy.stats.levene(one, other, center="median")), ""
    statement = " ".join(filter(None, [ratio["statement"], statement]))
    return {"F": ratio["F"], "p_F": ratio["p"], "W": w, "p_levene": p_levene, "statement": statement}


def pair(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Two predictions tables of the same utterances as one.

    Returns:
        utterance, speaker, truth, predicted_one, predicted_other in the order of `one`.

    Raises:
        ValueError: an utterance twice in a table or in only one of them, another truth or another speaker.
    """
    for table, against, name in ((one, other, "first"), (other, one, "second")):
        names = table["utterance"]
        _refuse(names[names.duplicated()].unique(), f"utterances more than once in the {name} table")
        _refuse(names[~names.isin(against["utterance"])].unique(), f"utterances only in the {name} table")
    one = one.reset_index(drop=True)
    other = other.set_index("utterance").loc[one["utterance"]].reset_index()
    for column in ("truth", "speaker"):
        _refuse(one["utterance"][one[column] != other[column]], f"utterances whose {column} differs between the tables")
    both = one.assign(predicted_one=one["predicted"], predicted_other=other["predicted"])
    return both[["utterance", "speaker", "truth", "predicted_one", "predicted_other"]]


def bootstrap(one: pd.DataFrame, other: pd.DataFrame, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Scores of two models on the same utterances, and their gain, with 95 % percentile intervals.

    Whole speakers are drawn with replacement, the same ones for both models. An interval says how a score varies
    with who speaks, not with another training run; of few speakers it is too narrow. UA and macro F1 of a draw are
    means over the emotions that occur in it, as in `metrics.score`; an F1 or recall with denominator 0 is 0.

    Args:
        one, other: predictions (utterance, speaker, truth, predicted) of the same utterances.
        draws, seed: how often the speakers are drawn, and the seed of the draws.

    Returns:
        Index WA, UA, macro_f1, f1_anger … f1_sadness, recall_anger … recall_sadness, without an emotion that no truth
        has; columns one, one_low, one_high, other, other_low, other_high, gain (other - one), gain_low, gain_high.
        `attrs`: speakers, utterances, draws and `statement`, a sentence about emotions left out, else "".

    Raises:
        ValueError: tables that do not match (`pair`), a name that is no emotion, or one speaker only.
    """
    both = pair(one, other)
    counts = [_confusions(both, column) for column in ("predicted_one", "predicted_other")]
    return _intervals([np.concatenate(counts)], draws, seed)


def bootstrap_apart(one: pd.DataFrame, other: pd.DataFrame, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """`bootstrap` for two models on different utterances (two hold-outs): the speakers of each are drawn by themselves.

    An emotion that either table lacks is left out. `attrs`: speakers and utterances are pairs (one, other).
    """
    return _intervals([_confusions(one), _confusions(other)], draws, seed)


def bootstrap_alone(predictions: pd.DataFrame, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """`bootstrap` for one model: columns value, low, high."""
    table = _intervals([_confusions(predictions)], draws, seed)
    return table.rename(columns={"value_low": "low", "value_high": "high"})


def mcnemar(one: pd.DataFrame, other: pd.DataFrame) -> dict:
    """Exact McNemar test of two models on the same utterances.

    Utterances of one speaker are not independent, as it takes them to be; trust `bootstrap`, which draws speakers.

    Returns:
        only_one and only_other (utterances that only this model has right), p (two-sided; None if there are none)
        and `statement`, which then says so, else "".
    """
    both = pair(one, other)
    one, other = (both[column] == both["truth"] for column in ("predicted_one", "predicted_other"))
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    counts = {"only_one": only_one, "only_other": only_other}
    if one.equals(other):
        return counts | {"p": None, "statement": "Both models have the same utterances right: there is no test."}
    return counts | {"p": float(scipy.stats.binomtest(only_one, only_one + only_other).pvalue), "statement": ""}


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion; it takes the n trials as independent."""
    if n < 1:
        raise ValueError(f"{successes} of {n}: a proportion of no trials has no interval.")
    low, high = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    return float(low), float(high)


def counts_behind(percent: float, n: int, decimals: int = 2) -> list[int]:
    """Every k for which k / n is printed as this percentage with so many decimals; none if there is none.

    A value exactly half-way counts for both neighbors: some printers round it up, some to the even digit.
    """
    units = Decimal(str(percent)).scaleb(decimals)
    if units % 1:
        raise ValueError(f"{percent} has more than {decimals} decimals; say how many were printed.")
    return [k for k in range(n + 1) if 2 * abs(100 * 10**decimals * k - int(units) * n) <= n]


def _scores(values) -> np.ndarray:
    scores = np.asarray(values, dtype=float)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"an arm is one score per fold, not an array of shape {scores.shape}.")
    known = np.isfinite(scores)
    if not known.all():
        raise ValueError(f"fold {known.argmin() + 1} has no score; leave it out of both arms.")
    return scores


def _sd(scores: np.ndarray) -> float | None:
    if len(scores) < 2:
        return None
    return float(scores.std(ddof=1)) if np.ptp(scores.round(DIGITS)) else 0.0


def _require_two(n: int) -> None:
    if n < 2:
        raise ValueError(f"a paired t test needs at least two folds, not {n}.")


def _untestable(gains: np.ndarray) -> str:
    if len(gains) < 2:
        return "One fold: there is no spread and no test."
    if np.ptp(gains):
        return ""
    return f"The gain is the same in every fold: {'t' if gains.any() else 'it is 0 and every test'} is undefined."


def _signed_rank(gains: np.ndarray) -> float | None:
    nonzero = gains[gains != 0]
    if len(gains) < 2 or not len(nonzero):
        return None
    tied = len(np.unique(abs(nonzero))) < len(nonzero)
    return float(scipy.stats.wilcoxon(nonzero, method=scipy.stats.PermutationMethod(rng=0) if tied else "exact").pvalue)


def _t(gain: float, sd: float, n: int) -> float:
    gain, sd = round(float(gain), DIGITS), round(float(sd), DIGITS)
    unbounded = math.copysign(math.inf, gain) if gain else 0.0
    return gain * math.sqrt(n) / sd if sd else unbounded


def _refuse(utterances, problem: str) -> None:
    if len(utterances):
        found = f"{len(utterances)}, for example {next(iter(utterances))}"
        raise ValueError(f"{problem}: {found}; compare predictions of the same utterances.")


def _confusions(table: pd.DataFrame, predicted: str = "predicted") -> np.ndarray:
    """Confusion matrices (1, truth, predicted, speakers) of a predictions table."""
    score(table["truth"], table[predicted])  # refuses what cannot be scored
    speakers, names = pd.factorize(table["speaker"], sort=True)
    if (speakers < 0).any():
        raise ValueError(f"utterances without a speaker: {(speakers < 0).sum()}; speakers are drawn, name them all.")
    if len(names) < 2:
        raise ValueError(f"one speaker: {names[0]}; speakers are drawn, so there is no interval; give at least two.")
    truth, guess = (pd.Categorical(table[column], EMOTIONS).codes for column in ("truth", predicted))
    counts = np.zeros((1, len(EMOTIONS), len(EMOTIONS), len(names)), dtype=int)
    np.add.at(counts[0], (truth, guess, speakers), 1)
    return counts


def _rows(*counts, axis: int) -> np.ndarray:
    """ROWS of each arm and, of two arms, their gain (arms, ROWS, ...), speakers pooled along the axis."""
    confusions = np.concatenate([speakers.sum(axis=axis) for speakers in counts])
    right, truth, guess = np.einsum("aee...->ae...", confusions), confusions.sum(axis=2), confusions.sum(axis=1)
    recall, f1 = right / np.maximum(truth, 1), 2 * right / np.maximum(truth + guess, 1)
    means = [right.sum(axis=1) / truth.sum(axis=1), *(share.mean(axis=1, where=truth > 0) for share in (recall, f1))]
    arms = np.concatenate([np.stack(means, axis=1), f1, recall], axis=1)
    return np.concatenate([arms, arms[1:] - arms[:1]])


def _intervals(counts: list, draws: int, seed: int) -> pd.DataFrame:
    """Table of `bootstrap`; the arrays of counts (arms, truth, predicted, speakers) are drawn independently."""
    options = {"n_resamples": draws, "batch": DRAWS_AT_ONCE, "axis": -1, "method": "percentile", "rng": seed}
    drawn = scipy.stats.bootstrap(counts, _rows, **options).confidence_interval
    parts = {"": _rows(*counts, axis=-1), "_low": drawn.low, "_high": drawn.high}
    names = ["value"] if len(parts[""]) == 1 else ["one", "other", "gain"]
    table = pd.DataFrame({f"{name}{part}": parts[part][arm] for arm, name in enumerate(names) for part in parts}, ROWS)
    occurs = np.concatenate([arm.sum(axis=(2, 3)) for arm in counts]).all(axis=0)
    absent = [emotion for emotion, there in zip(EMOTIONS, occurs, strict=True) if not there]
    table = table.drop(index=[f"{kind}_{emotion}" for kind in ("f1", "recall") for emotion in absent])
    sizes = [(arm.shape[-1], int(arm[0].sum())) for arm in counts]
    speakers, utterances = sizes[0] if len(sizes) == 1 else zip(*sizes, strict=True)
    statement = f"No utterance of {', '.join(absent)}: no F1 and no recall of it." if absent else ""
    table.attrs = {"speakers": speakers, "utterances": utterances, "draws": draws, "statement": statement}
    return table
