"""A voice note over time: where speech was found, the emotion of each window."""

from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sercore.labels import COLORS, EMOTIONS
from sercore.page.style import INK, STYLE

HATCHES = dict(zip(EMOTIONS, cycle(("", "///", "", "...")), strict=False))  # beside colours, for greyscale
MINUTES = 300  # s; longer notes are drawn in minutes


def draw_timeline(note, above=()) -> Figure:
    """Draws a voice note over time.

    Args:
        note: a `VoiceNote`.
        above: more panels: the height of each in inches, and a function of its axes and the unit of time in seconds.
    """
    heights = [*(height for height, _ in above), 0.4, 2.6]  # inches
    unit, name = (60, "min") if note.seconds > MINUTES else (1, "s")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 1.6 + sum(heights)), layout="constrained")
        *panels, speech, last = figure.subplots(len(heights), sharex=True, height_ratios=heights)
        for axis, (_, draw) in zip(panels, above, strict=True):
            draw(axis, unit)
        draw_spans(speech, "speech", note.segments / unit)
        _draw_windows(last, note.windows, unit)
        last.set(xlabel=f"time ({name})", ylabel="probability", xlim=(0, note.seconds / unit), ylim=(0, 1))
        if note.windows:
            figure.legend(loc="outside upper center", ncols=len(EMOTIONS), columnspacing=1)
    return figure


def draw_spans(axis, name: str, spans: np.ndarray, colors=INK) -> None:
    """One row of named blocks, each from a start to an end: spans (blocks, 2)."""
    axis.barh([0] * len(spans), spans[:, 1] - spans[:, 0], 1, spans[:, 0], color=colors)
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
