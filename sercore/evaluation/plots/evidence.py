"""Two arms, two hold-outs, many systems: figures that set values side by side."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from sercore.evaluation.plots.style import ACCENT, INK, PALE, STYLE, axes, styled
from sercore.evaluation.tables import METRICS, arm_title

MARKS = {"o": "white", "s": PALE, "D": ACCENT, "^": "white", "v": PALE, "P": ACCENT, "X": "white", "h": PALE}


@styled
def paired_folds(scores) -> Figure:
    """What the permanent corpus changes in each fold: one line per fold, the mean in bold.

    Args:
        scores: one row per arm and fold, as `fold_scores` gives them, two arms over the same folds.
    """
    alone, both = sorted(scores["arm"].unique(), key=len)
    figure, panels = axes(4.4, 1, 3, sharey=True)
    told, ends = [], []
    for axis, metric in zip(panels, ("WA", "UA", "macro_f1")):
        wide = scores.pivot(index="fold", columns="arm", values=metric)[[alone, both]]
        for _, row in wide.iterrows():
            axis.plot([0, 1], row, color=PALE, linewidth=1.4, marker="o", markersize=5)
        axis.plot([0, 1], wide.mean(), color=ACCENT, linewidth=3.2, marker="D", markersize=8)
        axis.set(title=METRICS[metric], xticks=[0, 1], xticklabels=["alone", "both"], xlim=(-0.25, 1.4))
        ends.append(wide[both])
        told.append(f"{METRICS[metric]} from {wide[alone].mean():.3f} to {wide[both].mean():.3f} on average")
    _name_folds(panels, ends)
    panels[0].set_ylabel("test score")
    figure.supxlabel(f"{arm_title(alone)} alone, or {arm_title(both)}", fontsize=STYLE["font.size"])
    figure.set_label(f"One line per fold from the one arm to the other: {'; '.join(told)}.")
    return figure


def _name_folds(panels, ends, apart: float = 0.08) -> None:
    """Writes the fold at the end of its line; names keep so much of the axis apart and move as little as that takes."""
    low, high = panels[0].get_ylim()
    gap = apart * (high - low)
    for axis, heights in zip(panels, ends):
        ranked, steps = heights.sort_values(), gap * np.arange(len(heights))
        placed = isotonic_regression(ranked - steps).x + steps
        for fold, height in zip(ranked.index, placed):
            axis.annotate(f"{fold}", (1, height), (6, 0), textcoords="offset points", va="center", fontsize=13)
        low, high = min(low, placed[0] - gap / 2), max(high, placed[-1] + gap / 2)
    panels[0].set_ylim(low, high)


@styled
def gains(intervals, unit: str = "gain") -> Figure:
    """How far each score moves, with its 95 % interval; an interval across zero leaves the direction open.

    Args:
        intervals: rows of scores, with columns gain, gain_low, gain_high (fractions).
        unit: what the axis says.
    """
    names = [METRICS[name] for name in intervals.index]
    figure, axis = axes(0.9 + 0.42 * len(names))
    points = 100 * intervals[["gain", "gain_low", "gain_high"]]
    for row, (gain, low, high) in enumerate(points.to_numpy()):
        sure = low > 0 or high < 0
        axis.hlines(row, low, high, color=ACCENT if sure else PALE, linewidth=3)
        axis.plot(gain, row, "o", color=ACCENT, markersize=9, markerfacecolor=ACCENT if sure else "white", markeredgewidth=2)
    axis.axvline(0, color=INK, linewidth=1)
    axis.set(xlabel=f"{unit} (percentage points)", yticks=range(len(names)), yticklabels=names)
    axis.invert_yaxis()
    axis.grid(axis="x", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)
    told = [f"{name} {gain:+.1f} ({low:+.1f} to {high:+.1f})" for name, (gain, low, high) in zip(names, points.to_numpy())]
    figure.set_label(f"Points with 95 % intervals, in percentage points. {'; '.join(told)}.")
    return figure


@styled
def t_ranges(limits, critical: float) -> Figure:
    """The values that a paired t test can take, given no more than printed means and spreads.

    Args:
        limits: rows of scores with columns low and high.
        critical: two-sided 5 % value; beyond it a test is called significant.
    """
    names = [METRICS[name] for name in limits.index]
    figure, axis = axes(0.9 + 0.42 * len(names))
    axis.axvspan(-critical, critical, color="#eeeeee", zorder=0)
    for row, (low, high) in enumerate(limits[["low", "high"]].to_numpy()):
        axis.hlines(row, low, high, color=ACCENT, linewidth=3)
        axis.plot([low, high], [row, row], "|", color=ACCENT, markersize=14, markeredgewidth=3)
    for side in (-critical, critical):
        axis.axvline(side, color=INK, linewidth=1, linestyle="--")
    axis.set(xlabel=f"t over five folds (grey: not significant, |t| < {critical:.3f})")
    axis.set(yticks=range(len(names)), yticklabels=names)
    axis.invert_yaxis()
    told = [f"{name} {low:.2f} to {high:.2f}" for name, (low, high) in zip(names, limits[["low", "high"]].to_numpy())]
    figure.set_label(f"Ranges of t against the critical {critical:.3f}. {'; '.join(told)}.")
    return figure


@styled
def validation_curves(histories: dict) -> Figure:
    """UA on the hold-out by epoch, one line per model.

    Args:
        histories: name to the history of a run.
    """
    figure, axis = axes(3.8)
    looks = [("-", INK, "o"), ("--", ACCENT, "s")]
    for (name, history), (dash, color, mark) in zip(histories.items(), looks):
        axis.plot(history["epoch"], history["UA"], dash, color=color, marker=mark, markersize=5, label=name)
    axis.set(xlabel="epoch", ylabel="UA on the hold-out")
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8, integer=True))
    axis.legend(loc="lower right")
    told = [f"{name}: best {history['UA'].max():.3f}" for name, history in histories.items()]
    figure.set_label(f"UA on the hold-out by epoch. {'; '.join(told)}.")
    return figure


@styled
def reliability(before, after) -> Figure:
    """Whether probabilities mean what they say: how often the model is right, by how sure it is.

    Args:
        before: as `calibration.reliability` gives it.
        after: the same with a temperature.
    """
    figure, (curve, count) = axes(6.2, 2, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color=PALE, linewidth=1.2, linestyle=":")
    looks = [(before, "as trained", "o-", INK), (after, "with a temperature", "s--", ACCENT)]
    for table, name, look, color in looks:
        curve.plot(table["confidence"], table["accuracy"], look, color=color, label=name, markersize=7)
    curve.set(ylabel="share that is right", ylim=(-0.03, 1.03), xlim=(0, 1))
    curve.legend(loc="upper left")
    middle, width = (before["low"] + before["high"]) / 2, before["high"] - before["low"]
    count.bar(middle, before["utterances"], width=0.9 * width, color=PALE)
    count.set(xlabel="probability of the predicted emotion", ylabel="utterances")
    told = [f"{row.confidence:.2f}: {row.accuracy:.2f}" for row in before.itertuples()]
    figure.set_label(f"Reliability diagram. Mean probability and share that is right, as trained: {'; '.join(told)}.")
    return figure


@styled
def pareto(systems) -> Figure:
    """Score against size; the mark tells the protocol, because scores under different protocols do not compare.

    Args:
        systems: one row per printed score: system, parameters, metric, value (percent), protocol, speakers.
    """
    shown = systems.dropna(subset=["parameters", "value"])
    protocols = list(dict.fromkeys(shown["protocol"]))
    figure, axis = axes(6.4 + 0.3 * len(protocols))
    for protocol, (mark, fill) in zip(protocols, MARKS.items()):
        own = shown[shown["protocol"] == protocol]
        look = {"marker": mark, "facecolor": fill, "edgecolor": INK, "linewidth": 1.6, "s": 110}
        axis.scatter(own["parameters"] / 1e6, own["value"], label=protocol, zorder=2, **look)
    for name, million, height, side in _names(shown):
        look = {"ha": "left", "va": "center"} if side > 0 else {"ha": "right", "va": "bottom"}
        axis.annotate(name, (million, height), (10 * side, 0), textcoords="offset points", fontsize=13, **look)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.margins(x=0.25, y=0.06)
    axis.set(xlabel="parameters (million, logarithmic)", ylabel="printed score (percent)")
    figure.legend(loc="outside lower left", fontsize=13)
    told = [f"{row.system} {row.parameters / 1e6:g} million, {row.metric} {row.value:g} ({row.protocol})" for row in shown.itertuples()]
    figure.set_label(f"Score against size, marks by protocol. {'; '.join(told)}.")
    return figure


def _names(systems, apart: float = 1.2):
    """Where systems are named: once for scores close together; left where another of the same size lies between them."""
    for _, alike in systems.groupby(np.log10(systems["parameters"]).round(1)):
        for name, heights in alike.groupby("system")["value"]:
            others = alike.loc[alike["system"] != name, "value"]
            side = -1 if others.between(heights.min(), heights.max()).any() else 1
            ranked = heights.sort_values()
            for _, close in ranked.groupby((ranked.diff() > apart).cumsum()):
                yield name, alike["parameters"].mean() / 1e6, close.mean(), side
