"""The trial of the voice-note pipeline as tables of text and as findings."""

import numpy as np
import pandas as pd

from sercore.deployment import trial
from sercore.deployment.assembly import ALONE, FILLERS, SHARES
from sercore.deployment.benchmark import MB
from sercore.deployment.rules import AGGREGATES
from sercore.evaluation.plots.voice import duration
from sercore.evaluation.tables import in_words
from sercore.training.runs import write_table

SHIPPED = "w8a8-conv"  # the scheme that answers
ARMS = {False: "without VAD", True: "with VAD", ALONE: ALONE}
SCORES = {"UA": "UA", "neutral": "neutral answers", "unanswered": "notes without an answer"}
QUIET = ("silence", "room tone")  # fillers that no detector should mind


def speakers(experiment) -> int | None:
    """Most speakers of each corpus, None for all: few where the voices are generated and prove nothing."""
    return 2 if experiment.backbone == "tiny" else None


def lengths(experiment) -> tuple[int, ...]:
    """Seconds of the recordings that time and memory are measured on: up to minutes where all else takes minutes too."""
    return tuple(length for length in trial.LENGTHS if length <= 600) if experiment.backbone == "tiny" else trial.LENGTHS


def answer(note) -> pd.DataFrame:
    """What one call says of a note."""
    shares = {emotion: f"{share:.3f}" for emotion, share in (note.probabilities or {}).items()}
    told = {"label": note.label or "none", "certainty": f"{note.certainty:.3f}", "agreement": f"{note.agreement:.3f}"}
    told |= {"seconds": f"{note.seconds:.1f}", "of them speech": f"{note.speech_seconds:.1f}", "windows": len(note.windows)}
    return pd.DataFrame.from_dict(told | shares, orient="index", columns=["answer"])


def notes_told(answers: pd.DataFrame, notes: pd.DataFrame, experiment) -> pd.DataFrame:
    """What notes there are: of each corpus, speakers, notes, different utterances in one, and seconds."""
    names = {corpus: in_words(experiment, [corpus]) for corpus in notes["corpus"].unique()}
    seconds, rows = answers.groupby(["corpus", "share"])["seconds"].median(), {}
    for corpus, own in notes.groupby("corpus", sort=False):
        rows[names[corpus]] = {"speakers": own["speaker"].nunique(), "notes": len(own)}
        rows[names[corpus]] |= {"different utterances in a note": f"{own['utterances'].min()} to {own['utterances'].max()}"}
        rows[names[corpus]] |= {f"seconds at {share:.0%} pause": f"{seconds[corpus, share]:.0f}" for share in (SHARES[0], SHARES[-1])}
    return pd.DataFrame.from_dict(rows, orient="index")


def by_corpus(table: pd.DataFrame, experiment) -> pd.DataFrame:
    """`trial.bias` by corpus as text."""
    parts = {}
    for score, own in table.groupby("score", sort=False):
        told = {"without VAD": _values(own, "one"), "with VAD": _values(own, "other"), "VAD changes (points)": _points(own)}
        parts[SCORES[score]] = pd.DataFrame(told, [in_words(experiment, [corpus]) for corpus in own["corpus"]])
    return pd.concat(parts, names=["score", "corpus"]).reset_index()


def answered(table: pd.DataFrame) -> pd.DataFrame:
    """`trial.answered` as text."""
    told = table.map("{:.0%}".format).rename_axis(columns=None).reset_index()
    return told.assign(vad=told["vad"].map(ARMS), share=told["share"].map("{:.0%}".format)).rename(columns={"vad": "", "share": "pause"})


def gains(bias: pd.DataFrame, score: str) -> pd.DataFrame:
    """What VAD changes in a score of `trial.bias`: points with 95 % intervals, fillers by shares of pause."""
    own = bias[bias["score"] == score]
    told = own.assign(points=_points(own))
    table = told.pivot(index="filler", columns="share", values="points").reindex([*FILLERS])
    return table.rename(columns="{:.0%}".format).rename_axis(index=None, columns=None)


def detected(table: pd.DataFrame) -> pd.DataFrame:
    """`trial.detected` as text."""
    return table.map("{:.0%}".format).rename_axis(index=None, columns=None)


def aggregation(table: pd.DataFrame) -> pd.DataFrame:
    """`trial.aggregation` over all conditions as text."""
    told = pd.DataFrame({"rule": table["rule"], "": table["vad"].map(ARMS)})
    told["UA"] = _values(table, "other")
    told["against the mean (points)"] = _points(table)
    return told.mask(told["rule"] == "mean", told.assign(**{"against the mean (points)": ""}))


def jitter(table: pd.DataFrame) -> pd.DataFrame:
    """`trial.jitter` over all fillers as text."""
    names = {"changes": "the label changes", "UA": "UA"}
    told = pd.DataFrame({"": table["measure"].map(names), "windows": table["vad"].map(ARMS)})
    for arm, name in (("one", "before averaging"), ("other", "after")):
        told[name] = _values(table, arm)
    return told.assign(**{"difference (points)": _points(table)})


def cost(table: pd.DataFrame) -> pd.DataFrame:
    """`trial.cost` as text."""
    told = pd.DataFrame({"length": table["seconds"].map(duration)})
    whole = table["vad"] + table["classifier"]
    told["real time"], told["VAD and the rest"] = whole.map("{:.4f}".format), (table["vad"] / whole).map("{:.0%}".format)
    told["takes"] = (whole * table["seconds"]).map("{:.2f} s".format)
    told["loaded (MB)"], told["peak (MB)"] = ((table[name] / MB).map("{:.0f}".format) for name in ("before", "peak"))
    return told


def keep(run, **tables: pd.DataFrame) -> None:
    """Writes what was measured beside the model it was measured on, for `make results` to take."""
    for name, table in tables.items():
        write_table(run.path / f"{name}.csv", table)


def findings(notes: pd.DataFrame, answers: pd.DataFrame, smoothed: pd.DataFrame, costs: pd.DataFrame, experiment) -> dict[str, str]:
    """What the page says in words.

    Args:
        notes, answers: from `assembly`.
        smoothed: `trial.jitter` by vad, that of single utterances as well.
        costs: from `trial.cost`.
        experiment: tells which corpora are synthetic.
    """
    pooled = trial.bias(answers, ["rule"]).set_index("score")
    paused = trial.bias(answers[answers["share"] == SHARES[-1]], ["rule"]).set_index("score")
    rules = trial.aggregation(answers[answers["vad"]], ["vad"]).set_index("rule")
    smoothed = smoothed.set_index(["measure", "vad"])
    heard = trial.detected(answers).loc[[*QUIET]].mean()
    last, first = costs.iloc[-1], costs.iloc[0]
    whole = last["vad"] + last["classifier"]
    return {
        "notes": f"{len(notes)}",
        "speakers": f"{notes['speaker'].nunique()}",
        "corpora": in_words(experiment, notes["corpus"].unique()),
        "analyses": f"{len(answers) // len(AGGREGATES):,}",
        "most_pause": f"{SHARES[-1]:.0%}",
        "neutral_true": f"{(notes['truth'] == 'neutral').mean():.0%}",
        "neutral_without": f"{paused.loc['neutral', 'one']:.0%}",
        "neutral_with": f"{paused.loc['neutral', 'other']:.0%}",
        "bias_verdict": verdict(paused.loc["neutral"], "the share of neutral answers"),
        "pull": _pull(trial.answered(answers).loc[False]),
        "UA_verdict": verdict(pooled.loc["UA"], "UA"),
        "least_heard": heard.idxmin(),
        "least_heard_part": f"{heard.min():.0%}",
        "unanswered": _unanswered(answers[answers["vad"]]),
        "best_rule": rules["other"].idxmax(),
        "rule_spread": f"{100 * np.ptp(rules['other']):.1f}",
        "jitter_before": f"{smoothed.loc[('changes', True), 'one']:.1%}",
        "jitter_after": f"{smoothed.loc[('changes', True), 'other']:.1%}",
        "window_UA": f"{smoothed.loc[('UA', True), 'one']:.3f}",
        "note_UA": f"{smoothed.loc[('UA', True), 'other']:.3f}",
        "alone_UA": f"{smoothed.loc[('UA', ALONE), 'one']:.3f}",
        "alone_note_UA": f"{smoothed.loc[('UA', ALONE), 'other']:.3f}",
        "longest": duration(last["seconds"]),
        "real_time": f"{1 / whole:.0f}",
        "vad_part": f"{last['vad'] / whole:.0%}",
        "memory_growth": f"{(last['peak'] - first['peak']) / MB:.0f}",
    }


def verdict(row: pd.Series, what: str) -> str:
    """The direction is said only where the interval is on one side of zero."""
    gain, low, high = 100 * row[["gain", "gain_low", "gain_high"]].astype(float)
    if low == high == 0:
        return f"VAD leaves {what} as it is"
    points = f"{abs(gain):.1f} points (interval {low:+.1f} to {high:+.1f})"
    if low <= 0 <= high:
        return f"VAD moves {what} by {gain:+.1f} points, and the interval ({low:+.1f} to {high:+.1f}) leaves the direction open"
    return f"VAD {'raises' if gain > 0 else 'lowers'} {what} by {points}"


def _unanswered(answers: pd.DataFrame) -> str:
    silent = answers[answers["predicted"] == ""]
    if silent.empty:
        return "With VAD, every note has an answer"
    return f"With VAD, {len(silent) / len(answers):.1%} of the notes have no answer, most of them of {silent['truth'].mode()[0]}"


def _pull(answered: pd.DataFrame) -> str:
    """Where pauses pull the answers: the emotion whose share grows most from no pause to the most."""
    least, most = answered.iloc[0], answered.iloc[-1]
    emotion = (most - least).idxmax()
    if f"{least[emotion]:.0%}" == f"{most[emotion]:.0%}":
        return "Pauses alone move the answers toward no emotion"
    return f"Without VAD, pauses move the answers toward {emotion} the most, from {least[emotion]:.0%} of them to {most[emotion]:.0%}"


def _values(table: pd.DataFrame, arm: str) -> list[str]:
    return [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in table[[arm, f"{arm}_low", f"{arm}_high"]].to_numpy()]


def _points(table: pd.DataFrame) -> list[str]:
    return [f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]" for gain, low, high in 100 * table[["gain", "gain_low", "gain_high"]].to_numpy()]
