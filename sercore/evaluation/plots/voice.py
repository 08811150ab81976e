"""Voice notes: one over time, and what pauses, noise, averaging and length do to many."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sercore.emotions import EMOTIONS
from sercore.evaluation.plots.style import ACCENT, COLORS, INK, PALE, STYLE, axes, styled

HATCHES = dict(zip(EMOTIONS, ("", "///", "", "..."), strict=True))
ARMS = {"one": ("without VAD", "s--", INK, "white"), "other": ("with VAD", "o-", ACCENT, ACCENT)}
PAUSE = "share of the note that is pause"
SCORES = {"UA": "UA over notes", "neutral": "Answers that are neutral"}
LINES = {"weighted": ("o-", ACCENT), "mean": ("s--", INK), "median": ("^:", PALE)}
NAMED = 20  # windows told one by one
MINUTES = 300  # s; longer notes are drawn in minutes


@styled
def timeline(note, envelope=None, truth=None) -> Figure:
    """A voice note over time: where speech is, and what the windows say.

    Args:
        note: a `VoiceNote`.
        envelope: level of the recording, 0 to 1, in equal pieces (pieces,); None leaves it out.
        truth: when which emotion is spoken: start, end (s), emotion; None where it is not known.
    """
    heights = [1.4] * (envelope is not None) + [0.4] * (truth is not None) + [0.4, 2.6]
    figure, panels = axes(1.6 + sum(heights), len(heights), sharex=True, height_ratios=heights)
    panels, unit = iter(panels), 60 if note.seconds > MINUTES else 1
    if envelope is not None:
        _level(next(panels), envelope, note.seconds / unit)
    if truth is not None:
        _spans(next(panels), truth.assign(color=truth["emotion"].map(COLORS)), unit, "true")
    _spans(next(panels), note.segments.assign(color=INK, emotion=""), unit, "speech")
    last = next(panels)
    _probabilities(last, note.windows, unit)
    last.set(xlabel="time (min)" if unit == 60 else "time (s)", ylabel="probability", xlim=(0, note.seconds / unit))
    figure.legend(*last.get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1)
    figure.set_label(_told(note))
    return figure


def _told(note) -> str:
    told = f"A voice note of {note.seconds:.0f} s over time, {note.speech_seconds:.0f} s of them speech"
    if note.label is None:
        return f"{told}: no speech was found, so there is no answer."
    labels = note.windows[list(note.probabilities)].idxmax(axis=1)
    counts = ", ".join(f"{label} {count}" for label, count in labels.value_counts().items())
    windows = f"{len(labels)} windows in order: {', '.join(labels)}" if len(labels) <= NAMED else f"{len(labels)} windows: {counts}"
    return f"{told}. Its {windows}. The note: {note.label}."


def _level(axis, envelope, length):
    times = np.linspace(0, length, len(envelope))
    axis.fill_between(times, -np.asarray(envelope), envelope, color=PALE, linewidth=0)
    axis.set(yticks=[], ylim=(-1, 1), ylabel="level")
    axis.spines["left"].set_visible(False)


def _spans(axis, spans, unit, name):
    """One row of blocks, named inside where there is a name."""
    starts, ends = spans["start"] / unit, spans["end"] / unit
    axis.barh(np.zeros(len(spans)), ends - starts, 1, starts, color=list(spans["color"]))
    look = {"ha": "center", "va": "center", "fontsize": 13, "fontweight": "bold"}
    for start, end, text in zip(starts, ends, spans["emotion"]):
        axis.text((start + end) / 2, 0, text, color=INK if text == "happiness" else "white", **look)
    axis.set(yticks=[], ylim=(-0.6, 0.6))
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.spines[["left", "bottom"]].set_visible(False)


def _probabilities(axis, windows, unit):
    """Windows as stacked bars; where one reaches into the one before, only what is new of it."""
    starts = np.maximum(windows["start"], windows["end"].shift(fill_value=0)) / unit
    bottom = np.zeros(len(windows))
    for emotion in EMOTIONS:
        look = {"color": COLORS[emotion], "edgecolor": "white", "linewidth": 0.6, "hatch": HATCHES[emotion], "label": emotion}
        axis.bar(starts, windows[emotion], windows["end"] / unit - starts, bottom, align="edge", **look)
        bottom = bottom + windows[emotion].to_numpy()
    axis.set_ylim(0, 1)


@styled
def by_pause(bias, score: str) -> Figure:
    """A score by how much of the notes is pause, one panel per filler, without VAD and with it.

    Args:
        bias: as `trial.bias` gives it.
        score: one of those in it.
    """
    own = bias[bias["score"] == score]
    fillers = list(own["filler"].unique())
    figure, panels = axes(5.6, 2, 3, sharex=True, sharey=True)
    for axis, filler in zip(panels.flat, fillers):
        _arms(axis, own[own["filler"] == filler])
        axis.set_title(filler)
        axis.tick_params(labelbottom=True)
    for axis in panels.flat[len(fillers) :]:
        axis.remove()
    panels[0, 0].xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    top = min(1.04, own[["one_high", "other_high"]].to_numpy().max() + 0.1)
    panels[0, 0].set(ylim=(-0.04, top), xticks=[0, 0.4, 0.8], xlim=(-0.08, 0.88))
    figure.supxlabel(PAUSE, fontsize=STYLE["font.size"])
    figure.supylabel(f"{SCORES[score]} (bars: 95 %)", fontsize=STYLE["font.size"])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    longest = own[own["share"] == own["share"].max()]
    told = [f"{row.filler} {row.one:.2f} without, {row.other:.2f} with" for row in longest.itertuples()]
    figure.set_label(f"{SCORES[score]} by share of pause, VAD or not. At the largest share: {'; '.join(told)}.")
    return figure


def _arms(axis, rows):
    for (arm, (name, look, color, fill)), side in zip(ARMS.items(), (-1, 1)):
        places = rows["share"] + 0.015 * side
        axis.vlines(places, rows[f"{arm}_low"], rows[f"{arm}_high"], color=color, linewidth=1.4)
        axis.plot(places, rows[arm], look, color=color, markerfacecolor=fill, markersize=7, label=name)
    axis.axhline(1 / len(EMOTIONS), color=INK, linewidth=1, linestyle=":")


@styled
def by_rule(aggregation) -> Figure:
    """UA of each way to aggregate, by how much of the notes is pause.

    Args:
        aggregation: as `trial.aggregation` gives it.
    """
    figure, panels = axes(3.8, 1, 2, sharex=True, sharey=True)
    for axis, vad in zip(panels, (False, True)):
        own = aggregation[aggregation["vad"] == vad]
        for rule, (look, color) in LINES.items():
            rows = own[own["rule"] == rule]
            axis.plot(rows["share"], rows["other"], look, color=color, label=rule, markersize=8, markerfacecolor="white")
        axis.set_title("with VAD" if vad else "without VAD")
    panels[0].xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1))
    panels[0].set(ylabel="UA over notes", xticks=sorted(aggregation["share"].unique()))
    panels[0].set_ylim(aggregation["other"].min() - 0.1, aggregation["other"].max() + 0.1)
    figure.supxlabel(PAUSE, fontsize=STYLE["font.size"])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    means = aggregation.groupby(["vad", "rule"])["other"].mean()
    told = [f"{'with' if vad else 'without'} VAD {rule} {means[vad, rule]:.3f}" for vad, rule in means.index]
    figure.set_label(f"UA by rule of aggregation, mean over the shares of pause: {', '.join(told)}.")
    return figure


@styled
def jitter(table) -> Figure:
    """How often the label changes from window to window, before averaging and after.

    Args:
        table: as `trial.jitter` gives it.
    """
    own = table[table["measure"] == "changes"]
    fillers = list(own["filler"].unique())
    figure, panels = axes(1.9 + 0.42 * len(fillers), 1, 2, sharex=True, sharey=True)
    looks = {"one": ("each window alone", "s", "white", -0.12), "other": ("mean of the note so far", "o", ACCENT, 0.12)}
    for axis, vad in zip(panels, (False, True)):
        rows = own[own["vad"] == vad].set_index("filler").reindex(fillers)
        for arm, (name, mark, fill, side) in looks.items():
            places = np.arange(len(fillers)) + side
            axis.hlines(places, rows[f"{arm}_low"], rows[f"{arm}_high"], color=PALE, linewidth=3)
            axis.plot(rows[arm], places, mark, color=ACCENT, markerfacecolor=fill, markersize=9, label=name)
        axis.set_title("with VAD" if vad else "without VAD")
    panels[0].set(yticks=range(len(fillers)), yticklabels=fillers)
    panels[0].invert_yaxis()
    panels[0].set_xlim(-0.02, 1.1 * own[["one_high", "other_high"]].to_numpy().max() + 0.02)
    panels[0].xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    panels[0].xaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
    figure.supxlabel("windows whose label is not the one before (bars: 95 %)", fontsize=STYLE["font.size"])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    told = [f"{row.filler} {'with' if row.vad else 'without'} VAD {row.one:.0%} and {row.other:.0%}" for row in own.itertuples()]
    figure.set_label(f"Changes of the label, of windows and of running means: {'; '.join(told)}.")
    return figure


@styled
def by_length(cost) -> Figure:
    """Work per second of audio and memory by length of the recording.

    Args:
        cost: as `trial.cost` gives it.
    """
    figure, (time, memory) = axes(5.6, 2, sharex=True)
    places, vad, whole = np.arange(len(cost)), 1000 * cost["vad"], 1000 * (cost["vad"] + cost["classifier"])
    time.bar(places, vad, color=PALE, label="VAD and the rest")
    time.bar(places, whole - vad, bottom=vad, color=ACCENT, hatch="///", edgecolor="white", label="classifier")
    for place, value in zip(places, whole):
        time.annotate(f"{value:.3g}", (place, value), (0, 3), textcoords="offset points", ha="center")
    time.set(ylabel="work (ms per s\nof audio)", ylim=(0, 1.35 * whole.max()))
    time.legend(loc="upper right", ncols=2)
    lengths = [duration(seconds) for seconds in cost["seconds"]]
    memory.plot(places, cost["peak"] / 1e6, "o-", color=INK)
    memory.set(ylabel="peak memory\n(MB)", xlabel="length of the recording", xticks=places, xticklabels=lengths)
    memory.set_ylim(0, 1.3e-6 * cost["peak"].max())
    told = [f"{length} {value:.2f} ms, {peak / 1e6:.0f} MB" for length, value, peak in zip(lengths, whole, cost["peak"])]
    figure.set_label(f"Work per second of audio and peak memory by length: {'; '.join(told)}.")
    return figure


def duration(seconds: float) -> str:
    """10 s, 10 min, 2 h."""
    unit, name = (3600, "h") if seconds >= 3600 else (60, "min") if seconds >= 60 else (1, "s")
    return f"{seconds / unit:g} {name}"
