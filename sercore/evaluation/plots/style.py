"""What all figures share: colors, letters, size.

Every figure describes itself in its label, which is its text alternative. Letters are large because the pages are read
on phones too; what color says, position, shape or hatching says again.
"""

from functools import wraps

import matplotlib
from matplotlib.figure import Figure

from sercore.emotions import EMOTIONS

COLORS = {"anger": "#c1272d", "happiness": "#e8a33d", "neutral": "#6b7a8f", "sadness": "#2b4c8c"}
INK, PALE, ACCENT = "#222222", "#9a9a9a", "#2b4c8c"
STYLE = {
    "font.size": 14,
    "axes.titlesize": 14,
    "axes.labelsize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "text.color": INK,
}
WIDTH = 7.0  # inches


def styled(draw):
    """Draws with the book's style, whatever the notebook's own is."""

    @wraps(draw)
    def drawn(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def axes(height: float, rows: int = 1, columns: int = 1, **shared):
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **shared)


def listed(values, form: str = "") -> str:
    """Four values in words: anger 3, happiness 5, neutral 2, sadness 4."""
    return ", ".join(f"{emotion} {value:{form}}" for emotion, value in zip(EMOTIONS, values, strict=True))
