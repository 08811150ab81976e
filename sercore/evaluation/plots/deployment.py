"""What a file costs and what it is worth."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from sercore.evaluation.plots.style import ACCENT, INK, PALE, axes, styled

SIDES = ((9, 0, "left", "center"), (-9, 0, "right", "center"), (0, -9, "center", "top"), (0, 9, "center", "bottom"))  # points
SIDES += ((9, -18, "left", "center"), (-9, -18, "right", "center"), (9, 18, "left", "center"), (-9, 18, "right", "center"))
LEAST = 0.01  # of a scheme's time; operators that take less in all of them are left out


@styled
def size_and_speed(table) -> Figure:
    """Milliseconds against megabytes, one mark per scheme, a line from quartile to quartile.

    Args:
        table: index scheme; columns MB, milliseconds, low, high (quartiles).
    """
    figure, axis = axes(4.4)
    for name, row in table.iterrows():
        axis.vlines(row["MB"], row["low"], row["high"], color=PALE, linewidth=3)
        _mark(axis, name, row["MB"], row["milliseconds"])
    axis.margins(x=0.2)
    axis.set(xlabel="file (MB)", ylabel="latency (ms)", ylim=(0, None))
    _name(axis, {name: (row["MB"], row["milliseconds"]) for name, row in table.iterrows()})
    told = [f"{name} {row['MB']:.1f} MB, {row['milliseconds']:.0f} ms" for name, row in table.iterrows()]
    figure.set_label(f"Latency against size. {'; '.join(told)}.")
    return figure


@styled
def size_and_loss(table) -> Figure:
    """What quantization does to UA against megabytes, with 95 % intervals.

    Args:
        table: index scheme; columns MB, gain, gain_low, gain_high (fractions of UA against fp32).
    """
    figure, axis = axes(4.4)
    for name, row in table.iterrows():
        axis.vlines(row["MB"], 100 * row["gain_low"], 100 * row["gain_high"], color=PALE, linewidth=3)
        _mark(axis, name, row["MB"], 100 * row["gain"])
    axis.axhline(0, color=INK, linewidth=1, linestyle=":")
    axis.set(xlabel="file (MB)", ylabel="UA against fp32 (points)")
    axis.margins(x=0.2, y=0.15)
    _name(axis, {name: (row["MB"], 100 * row["gain"]) for name, row in table.iterrows()})
    told = [f"{name} {row['MB']:.2f} MB, {100 * row['gain']:+.2f} points" for name, row in table.iterrows()]
    figure.set_label(f"Change of UA against size. {'; '.join(told)}.")
    return figure


def _mark(axis, name, x, y):
    control = name in ("paper", "fp32")
    axis.plot(x, y, "s" if control else "o", color=ACCENT, markerfacecolor="white" if control else ACCENT, markersize=9)


def _name(axis, marks: dict):
    """Each name at the first side of its mark where it covers neither a mark nor another name."""
    axis.figure.draw_without_rendering()  # settles the layout
    places = axis.transData.transform(list(marks.values()))
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in places]
    for name, place in marks.items():
        for side in SIDES:
            text = _beside(axis, name, place, *side)
            if not any(map(text.get_window_extent().overlaps, taken)):
                break
            text.remove()
        else:
            text = _beside(axis, name, place, *SIDES[0])
        taken.append(text.get_window_extent())


def _beside(axis, name, place, right, up, across, along):
    return axis.annotate(name, place, (right, up), textcoords="offset points", ha=across, va=along, fontsize=13)


@styled
def operator_times(times: dict) -> Figure:
    """Where the time goes: milliseconds per operator type that takes more than a hundredth, one group of bars per scheme.

    Args:
        times: scheme to a series of milliseconds by operator, as `benchmark.operator_times` gives it; two schemes.
    """
    names = list(dict.fromkeys(name for own in times.values() for name in own.index[own >= LEAST * own.sum()]))
    figure, axis = axes(1.4 + 0.5 * len(names))
    places, height = np.arange(len(names)), 0.38
    looks = [{"color": PALE}, {"color": ACCENT, "hatch": "///", "edgecolor": "white"}]
    for number, ((scheme, own), look) in enumerate(zip(times.items(), looks)):
        axis.barh(places + (number - 0.5) * height, own.reindex(names, fill_value=0), height, label=scheme, **look)
    axis.set(xlabel="milliseconds per waveform", yticks=places, yticklabels=names)
    axis.invert_yaxis()
    axis.legend(loc="lower right")
    told = [f"{scheme}: " + ", ".join(f"{name} {value:.1f}" for name, value in own.head(3).items()) for scheme, own in times.items()]
    figure.set_label(f"Milliseconds by operator. {'; '.join(told)}.")
    return figure
