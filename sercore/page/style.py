"""What all figures share: letters, inks, size.

Letters are large because the pages are read on phones too; what colour says, position, shape or hatching says again.
"""

import matplotlib as mpl
import seaborn as sns

from sercore.labels import COLORS, EMOTIONS

INK, PALE, ACCENT = "#222222", "#9a9a9a", "#2b4c8c"
MARKERS = dict(zip(EMOTIONS, "osD^vP*X", strict=False))
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelsize": 14,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 14,
    "figure.autolayout": False,
    "figure.constrained_layout.use": True,
    "figure.figsize": (7.0, 4.0),  # inches
    "font.size": 14,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 13,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "text.color": INK,
    "xtick.labelsize": 13,
    "ytick.labelsize": 13,
}


def set_style() -> None:
    """Draws all figures of a page in the book's style, emotions in their colours."""
    mpl.rcParams.update(STYLE)
    sns.set_palette([*COLORS.values()])
