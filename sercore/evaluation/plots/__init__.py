"""Figures of the book, one message each. The only part of the library that imports matplotlib.

Every function returns a figure, whose label is its text alternative, and leaves matplotlib's global state alone.
"""

from sercore.evaluation.plots.deployment import operator_times, size_and_loss, size_and_speed
from sercore.evaluation.plots.evidence import gains, paired_folds, pareto, reliability, t_ranges, validation_curves
from sercore.evaluation.plots.folds import (
    class_balance,
    confusion,
    durations,
    learning_curves,
    per_class_scores,
    spectrograms,
)
from sercore.evaluation.plots.style import COLORS, WIDTH
from sercore.evaluation.plots.transfer import by_arrival, by_speaker, recalls, unbalanced, variants, voices
from sercore.evaluation.plots.voice import by_length, by_pause, by_rule, jitter, timeline

__all__ = [
    "COLORS",
    "WIDTH",
    "by_arrival",
    "by_length",
    "by_pause",
    "by_rule",
    "by_speaker",
    "class_balance",
    "confusion",
    "durations",
    "gains",
    "jitter",
    "learning_curves",
    "operator_times",
    "paired_folds",
    "pareto",
    "per_class_scores",
    "recalls",
    "reliability",
    "size_and_loss",
    "size_and_speed",
    "spectrograms",
    "t_ranges",
    "timeline",
    "unbalanced",
    "validation_curves",
    "variants",
    "voices",
]
