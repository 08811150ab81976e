"""What five folds can show: the formulas of the page on the second corpus, and what the paper's Table II allows."""

import numpy as np
import pytest
from scipy import stats

from sercore.page import read_loso


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("cremad_ablation")


@pytest.fixture(scope="module")
def printed():
    """Gain and both spreads of Table II, by metric."""
    table = read_loso()
    one, other = (table[arm] for arm in ("iemocap", "iemocap+cremad"))
    return other["value"] - one["value"], one["spread"], other["spread"]


def test_printed_gains_of_wa_and_macro_f1_stay_below_the_critical_t(page, printed):
    """By hand: .012 sqrt(5) / (.031 - .021) = 2.68 and .014 sqrt(5) / (.040 - .028) = 2.61, critical 2.776."""
    _, largest = page.range_t(*printed)
    largest = dict(zip(printed[0].index, largest, strict=True))
    assert (largest["WA"], largest["macro_f1"]) == pytest.approx((2.68, 2.61), abs=0.005)
    assert max(largest["WA"], largest["macro_f1"]) < stats.t.isf(0.025, 4) == pytest.approx(2.776, abs=5e-4)


def test_rounding_widens_every_range(page, printed):
    low, high = page.range_t(*printed)
    lowest, highest = page.range_t(*printed, rounding=0.0005)
    assert (lowest < low).all() and (high < highest).all()


def test_the_range_holds_the_t_of_any_folds(page):
    """Whatever the correlation of the arms, the paired t lies between the bounds made from means and spreads."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        one, other = rng.normal(0.6, 0.04, (2, 5))
        low, high = page.range_t(other.mean() - one.mean(), one.std(ddof=1), other.std(ddof=1))
        assert low - 1e-9 <= stats.ttest_rel(other, one).statistic <= high + 1e-9


def test_printed_spreads_of_wa_do_not_differ(page):
    """By hand: (.031 / .021)² = 2.18; F(4, 4) gives p = .47."""
    assert page.compare_spreads(0.031, 0.021) == pytest.approx((2.18, 0.47), abs=0.005)
    assert page.compare_spreads(0.021, 0.031) == page.compare_spreads(0.031, 0.021)


def test_a_signed_rank_test_of_five_folds_cannot_fall_below_a_sixteenth(page):
    """2 / 2⁵, if every fold gains."""
    assert stats.wilcoxon([*page.FOLDS]).pvalue == 2 / 2**5
