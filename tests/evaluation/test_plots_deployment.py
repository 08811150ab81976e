"""Figures of the quantization benchmark: what they mark, and that nobody needs color to read them."""

import io
from itertools import combinations

import pandas as pd
import pytest
from matplotlib.text import Text

from sercore.evaluation import plots

SCHEMES = ["fp32", "w8", "w8a8-conv", "w8a8", "w8w4", "paper"]


@pytest.fixture
def table():
    rows = {name: [94.8 if name == "fp32" else 23.9, 400, 380, 450, -0.01, -0.02, 0.0] for name in SCHEMES}
    columns = ["MB", "milliseconds", "low", "high", "gain", "gain_low", "gain_high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("draw", [plots.size_and_speed, plots.size_and_loss])
def test_every_scheme_is_named_and_the_controls_are_hollow(table, draw):
    figure = draw(table)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert set(SCHEMES) <= set(words(figure)) and figure.get_figwidth() == plots.WIDTH and len(figure.get_label()) > 40
    hollow = [line for line in figure.axes[0].lines if line.get_marker() == "s"]
    assert len(hollow) == 2 and all(line.get_markerfacecolor() == "white" for line in hollow)


def test_latency_starts_at_nothing_so_that_heights_compare(table):
    axis = plots.size_and_speed(table).axes[0]
    assert axis.get_ylim()[0] == 0 and axis.get_yscale() == "linear"


def test_no_name_covers_another(table):
    """Three files of one size and speed, and a fourth just beside them."""
    table.loc["w8w4", ["MB", "milliseconds"]] = 16, 402
    figure = plots.size_and_speed(table.drop(index="paper"))
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5 and not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_operators_of_both_schemes_are_bars_of_two_looks():
    times = {"fp32": pd.Series({"Conv": 500.0, "MatMul": 100.0, "Softmax": 0.1}), "w8a8": pd.Series({"QLinearConv": 120.0})}
    figure = plots.operator_times(times)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert {"Conv", "MatMul", "QLinearConv", "fp32", "w8a8"} <= set(words(figure)) and "Softmax" not in words(figure)
    assert {bar.get_hatch() for bar in figure.axes[0].patches} == {None, "///"}
