"""Does the pipeline do what the paper hopes for? Neutral bias, aggregation and jitter with intervals; time and memory."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from sercore import paths
from sercore.data import SAMPLE_RATE
from sercore.deployment.benchmark import PEAK
from sercore.deployment.rules import AGGREGATES
from sercore.emotions import EMOTIONS

DRAWS = 2_000  # of the bootstrap
NOTE = ["note", "filler", "share", "vad"]  # what makes one note of the windows
LENGTHS = (1, 10, 60, 600, 3600, 7200)  # s
COST = f"""{PEAK}
from sercore.deployment import EmotionClassifier, analyze_voice_note
file, note, seconds, rate = sys.argv[1], np.load(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
classifier, spent = EmotionClassifier(file, threads=1), [0.0]
def timed(*audio, classify=classifier.probabilities):
    began = time.perf_counter()
    found = classify(*audio)
    spent[0] += time.perf_counter() - began
    return found
def chunks():
    whole = round(seconds * rate)
    for start in range(0, whole, rate):
        yield note.take(np.arange(start, min(start + rate, whole)), mode="wrap")
classifier.probabilities = timed
analyze_voice_note(note[:rate], classifier, rate)  # loads and warms up
before, spent[0], began = peak(), 0.0, time.perf_counter()
analyze_voice_note(chunks(), classifier, rate)
whole = time.perf_counter() - began
print(json.dumps({{"seconds": seconds, "classifier": spent[0], "rest": whole - spent[0], "before": before, "peak": peak()}}))
"""


def drawn(table: pd.DataFrame, hit: pd.Series, by: list[str], part: str | None = None, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """The share of hits by condition, as measured and in draws of whole speakers, the same ones for all conditions.

    As `statistics.bootstrap`, whose scores are of four emotions only: here a note may go without an answer, and a share may be
    of something else than right answers. Of few speakers, what is drawn is too narrow.

    Args:
        table: one row per trial, with speaker.
        hit: of its rows: 1, 0, or NaN where there is nothing to count.
        by: columns that make a condition.
        part: the share is the mean over the values of this column ("truth" makes a UA); None for plain shares.
        draws, seed: how often the speakers are drawn, and the seed of the draws.

    Returns:
        A row per condition; column 0 is as measured, the others are draws. NaN where nothing was tried.
    """
    keys = [*by, part] if part else by
    tried = table.assign(hit=hit.astype(float).fillna(0), tried=hit.notna().astype(float))
    counts = tried.pivot_table(["hit", "tried"], keys, "speaker", aggfunc="sum", fill_value=0, sort=False)
    speakers = counts["hit"].shape[1]
    weights = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), draws)
    weights = np.vstack([np.ones(speakers), weights]).T
    hits, trials = (counts[kind].to_numpy() @ weights for kind in ("hit", "tried"))
    shares = np.divide(hits, trials, out=np.full_like(hits, np.nan), where=trials > 0)
    return pd.DataFrame(shares, counts.index).groupby(level=by, sort=False).mean()


def against(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Two arms of `drawn` and the gain of the other over the one: one, one_low, one_high, other, …, gain, … (95 %)."""
    parts = {"one": one, "other": other, "gain": other - one}
    columns = {}
    for name, part in parts.items():
        low, high = np.nanpercentile(part.iloc[:, 1:], [2.5, 97.5], axis=1)
        columns |= {name: part[0], f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(columns)


SCORES = {
    "UA": lambda answers: (answers["predicted"] == answers["truth"], "truth"),
    "neutral": lambda answers: ((answers["predicted"] == "neutral").where(answers["predicted"] != ""), None),
    "unanswered": lambda answers: (answers["predicted"] == "", None),
}


def bias(answers: pd.DataFrame, by=("filler", "share"), draws: int = DRAWS) -> pd.DataFrame:
    """Scores of the weighted aggregate without VAD (one) and with it (other), and their paired difference, by condition.

    Args:
        answers: from `assembly.hear`.
        by: columns that make a condition.
        draws: of speakers.

    Returns:
        Columns score (UA, where a note without an answer is a wrong one; neutral, a share of the answers; unanswered, a
        share of the notes), those of `by`, and those of `against`.
    """
    weighted, tables = answers[answers["rule"] == "weighted"], {}
    for score, told in SCORES.items():
        hit, part = told(weighted)
        found = drawn(weighted, hit, ["vad", *by], part, draws)
        tables[score] = against(found.loc[False], found.loc[True])
    return pd.concat(tables, names=["score"]).reset_index()


def answered(answers: pd.DataFrame) -> pd.DataFrame:
    """How often each emotion is answered (weighted aggregate), over all fillers, by vad and share of pause."""
    own = answers[(answers["rule"] == "weighted") & (answers["predicted"] != "")]
    return pd.crosstab([own["vad"], own["share"]], own["predicted"], normalize="index").reindex(columns=[*EMOTIONS], fill_value=0.0)


def aggregation(answers: pd.DataFrame, by=("vad", "share"), draws: int = DRAWS) -> pd.DataFrame:
    """UA of the plain mean, which the paper proposes (one), and of each rule (other), with their paired difference.

    Returns:
        Columns rule, those of `by`, and those of `against`.
    """
    found = drawn(answers, answers["predicted"] == answers["truth"], ["rule", *by], "truth", draws)
    tables = {rule: against(found.loc["mean"], found.loc[rule]) for rule in AGGREGATES}
    return pd.concat(tables, names=["rule"]).reset_index()


def running(windows: pd.DataFrame) -> pd.DataFrame:
    """The label of every window (alone) and of the weighted mean of the note up to it (averaged), and which of both changed.

    Args:
        windows: from `assembly.hear`, each note's in order.

    Returns:
        The windows of notes that have at least two, with alone, averaged, and alone_changed, averaged_changed against
        the window before: 0 or 1, NaN for the first.
    """
    keys = [windows[name] for name in NOTE]
    summed = windows[[*EMOTIONS]].mul(windows["weight"], axis=0).groupby(keys, sort=False).cumsum()
    table = windows.assign(alone=windows[[*EMOTIONS]].idxmax(axis=1), averaged=summed.idxmax(axis=1))
    for name in ("alone", "averaged"):
        before = table.groupby(NOTE, sort=False)[name].shift()
        table[f"{name}_changed"] = (table[name] != before).astype(float).where(before.notna())
    return table[table.groupby(NOTE)["start"].transform("size") > 1]


def jitter(windows: pd.DataFrame, by=("vad", "filler"), draws: int = DRAWS) -> pd.DataFrame:
    """What averaging smooths (changes) and what it is worth (UA), over notes of at least two windows.

    Changes are the share of windows whose label is not that of the window before in the same note: of each window alone
    (one), and of the mean of the note up to it (other). UA is over windows (one) and over notes (other).

    Returns:
        Columns measure, those of `by`, and those of `against`.
    """
    table, by = running(windows), [*by]
    steps, last = table.dropna(subset="alone_changed"), table.drop_duplicates(NOTE, keep="last")
    changes = [drawn(steps, steps[f"{name}_changed"], by, draws=draws) for name in ("alone", "averaged")]
    alone = drawn(table, table["alone"] == table["truth"], by, "truth", draws)
    noted = drawn(last, last["averaged"] == last["truth"], by, "truth", draws)
    tables = {"changes": against(*changes), "UA": against(alone, noted)}
    return pd.concat(tables, names=["measure"]).reset_index()


def detected(answers: pd.DataFrame) -> pd.DataFrame:
    """Seconds that VAD takes for speech, relative to those that are spoken, by filler and emotion."""
    heard = answers[answers["vad"] & (answers["rule"] == "mean")]
    heard = heard.assign(spoken=heard["seconds"] * (1 - heard["share"]))
    sums = heard.groupby(["filler", "truth"], sort=False)[["kept", "spoken"]].sum()
    return (sums["kept"] / sums["spoken"]).unstack("truth").reindex(columns=[*EMOTIONS])


def cost(file: str | Path, note: np.ndarray, lengths=LENGTHS) -> pd.DataFrame:
    """Time and memory of the pipeline on one thread, each length in a process of its own.

    The audio arrives in pieces and is never held whole, as a file's would not be.

    Args:
        file: ONNX.
        note: waveform (samples,) at 16 kHz that is repeated.
        lengths: seconds.

    Returns:
        A row per length: seconds; classifier and vad (with all else that is not the classifier), in seconds of work per second
        of audio; before and peak: bytes of memory with all loaded, and the most in the end.
    """
    rows = []
    with TemporaryDirectory() as folder:
        np.save(f"{folder}/note.npy", note)
        for seconds in lengths:
            command = [sys.executable, "-c", COST, str(file), f"{folder}/note.npy", str(seconds), str(SAMPLE_RATE)]
            told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=paths.PROJECT)
            rows.append(json.loads(told.stdout))
    table = pd.DataFrame(rows)
    rates = {name: table[whole] / table["seconds"] for name, whole in (("classifier", "classifier"), ("vad", "rest"))}
    return pd.DataFrame({"seconds": table["seconds"], **rates, "before": table["before"], "peak": table["peak"]})
