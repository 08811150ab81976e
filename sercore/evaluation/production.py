"""The production model: its two hold-outs, what a speaker leak is worth, and the printed score (section V-A)."""

import pandas as pd

from sercore.evaluation.calibration import cross_scaled, ece, nll, temperature
from sercore.evaluation.published import printed, published_counts
from sercore.evaluation.statistics import bootstrap_apart, counts_behind
from sercore.evaluation.tables import METRICS, TITLES, in_words

SPLITS = {"random": "random split", "disjoint": "speaker-disjoint split"}
SCALED = ("ECE, scaled", "log loss, scaled")


def hold_outs(splits: dict, heard: dict) -> pd.DataFrame:
    """Who is held back in each split, and how many of them training has heard.

    Args:
        splits: "random" and "disjoint" to a `Split`.
        heard: the same to the speakers that are on both sides.
    """
    rows = {}
    for name, split in splits.items():
        speakers = (split.test["corpus"] + split.test["speaker"]).nunique()
        rows[SPLITS[name]] = {
            "training utterances": f"{len(split.train):,}",
            "held back": f"{len(split.test):,}",
            "of": ", ".join(f"{TITLES[corpus]} {count:,}" for corpus, count in split.test["corpus"].value_counts().items()),
            "their speakers": speakers,
            "of them heard in training": len(heard[name]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def leak(runs: dict, draws: int = 10_000) -> pd.DataFrame:
    """How much higher a model scores on speakers that it has heard, with 95 % intervals.

    Args:
        runs: "random" and "disjoint" to a finished run.
        draws: of the bootstrap, which draws whole speakers of each hold-out.

    Returns:
        As `statistics.bootstrap_apart` gives it: `one` is the speaker-disjoint split, `other` the random one.
    """
    return bootstrap_apart(runs["disjoint"].predictions, runs["random"].predictions, draws).filter(METRICS, axis="index")


def calibration(runs: dict) -> pd.DataFrame:
    """Expected calibration error and log loss on the hold-out, as trained and with a temperature.

    The temperature of an utterance is fitted on other speakers' utterances, so the second column is honest.
    """
    rows = {}
    for name, run in runs.items():
        found = {"ECE": ece(run.predictions), "log loss": nll(run.predictions)}
        found["temperature"] = temperature(run.predictions)
        if run.predictions["speaker"].nunique() > 1:
            scaled = cross_scaled(run.predictions)
            found |= dict(zip(SCALED, (ece(scaled), nll(scaled))))
        told = {key: f"{value:.3f}" for key, value in found.items()}
        rows[SPLITS[name]] = told | {key: "one speaker: not fitted" for key in SCALED if key not in told}
    return pd.DataFrame.from_dict(rows, orient="index")


def arithmetic() -> pd.DataFrame:
    """Which hold-out the printed WA can come from: 5 % of one corpus or of both, and the whole numbers behind it."""
    wa, share = printed("WA", table="V-A"), printed("hold_out", table="V-A") / 100
    rows = []
    for corpus, total in published_counts()["total"].items():
        for size in sorted({int(share * total), -int(-share * total // 1)}):
            counts = counts_behind(wa, size)
            right = ", ".join(f"{count} of {size}" for count in counts) or "no whole number gives it"
            title = " + ".join(TITLES[name] for name in corpus.split("+"))
            rows.append({"5 % of": f"{title}, {total:,}", "hold-out": size, f"behind {wa:g} %": right})
    return pd.DataFrame(rows)


def findings(runs: dict, experiment) -> dict[str, str]:
    """What the page says in words."""
    found = leak(runs)
    low, high = 100 * found.loc["UA", ["gain_low", "gain_high"]]
    both = arithmetic().iloc[-1]
    return {
        "corpora": in_words(experiment, experiment.corpora),
        "printed_WA": f"{printed('WA', table='V-A'):.2f} %",
        "printed_UA": f"{printed('UA', table='V-A'):.2f} %",
        "behind": both.iloc[-1],
        "random_UA": f"{found.loc['UA', 'other']:.3f}",
        "disjoint_UA": f"{found.loc['UA', 'one']:.3f}",
        "leak": f"{100 * found.loc['UA', 'gain']:+.1f}",
        "leak_interval": f"{low:+.1f} to {high:+.1f}",
        "verdict": "leaves zero out" if low > 0 or high < 0 else "holds zero, so that these hold-outs do not settle it",
    }
