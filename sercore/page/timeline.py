"""A voice note over time: its level, what is spoken, where speech was found, the emotion of each window."""

from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sercore.labels import COLORS, EMOTIONS
from sercore.page.style import INK, PALE, STYLE

HATCHES = dict(zip(EMOTIONS, cycle(("", "///", "", "...")), strict=False))  # beside colours, for greyscale
MINUTES = 300  # s; longer notes are drawn in minutes


def draw_timeline(note, envelope=None, truth=None) -> Figure:
    """Draws a voice note over time.

    Args:
        note: a `VoiceNote`.
        envelope: level of the recording, 0 to 1, in equal pieces (pieces,); None leaves it out.
        truth: when which emotion is spoken: table of start, end (seconds), emotion; None where it is not known.
    """
    heights = [0 if envelope is None else 1.4, 0 if truth is None else 0.4, 0.4, 2.6]  # inches
    heights = [height for height in heights if height]
    unit, name = (60, "min") if note.seconds > MINUTES else (1, "s")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 1.6 + sum(heights)), layout="constrained")
        panels = iter(figure.subplots(len(heights), sharex=True, height_ratios=heights))
        if envelope is not None:
            _draw_level(next(panels), envelope, note.seconds / unit)
        if truth is not None:
            _draw_spans(next(panels), "true", truth[["start", "end"]].to_numpy() / unit, list(truth["emotion"]))
        _draw_spans(next(panels), "speech", note.segments / unit)
        last = next(panels)
        _draw_windows(last, note.windows, unit)
        last.set(xlabel=f"time ({name})", ylabel="probability", xlim=(0, note.seconds / unit), ylim=(0, 1))
        if note.windows:
            figure.legend(loc="outside upper center", ncols=len(EMOTIONS), columnspacing=1)
    return figure


def _draw_level(axis, envelope, length: float) -> None:
    axis.fill_between(np.linspace(0, length, len(envelope)), -np.asarray(envelope), envelope, color=PALE, linewidth=0)
    axis.set(yticks=[], ylim=(-1, 1), ylabel="level")
    axis.spines["left"].set_visible(False)


def _draw_spans(axis, name: str, spans: np.ndarray, emotions=()) -> None:
    """One row of blocks, each with its emotion in it where there is one."""
    colors = [COLORS[emotion] for emotion in emotions] or INK
    axis.barh([0] * len(spans), spans[:, 1] - spans[:, 0], 1, spans[:, 0], color=colors)
    for middle, emotion in zip(spans.mean(axis=1), emotions, strict=False):
        ink = INK if emotion == "happiness" else "white"
        axis.text(middle, 0, emotion, color=ink, ha="center", va="center", fontsize=13, fontweight="bold")
    axis.set(yticks=[], ylim=(-0.6, 0.6))
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.spines[["left", "bottom"]].set_visible(False)


def _draw_windows(axis, windows: list[dict], unit: float) -> None:
    """Windows as stacked bars; where one reaches into the one before, only what is new of it."""
    ends = np.array([window["end"] for window in windows]) / unit
    starts = np.maximum([window["start"] / unit for window in windows], np.r_[0, ends[:-1]][: len(ends)])
    bottom = np.zeros(len(windows))
    for emotion, hatch in HATCHES.items():
        share = np.array([window[emotion] for window in windows])
        look = {"color": COLORS[emotion], "hatch": hatch, "edgecolor": "white", "linewidth": 0.6, "label": emotion}
        axis.bar(starts, share, ends - starts, bottom, align="edge", **look)
        bottom += share
