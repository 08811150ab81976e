"""What the page of printed numbers computes, and what its prose says of them; nothing but results/published is read."""

import runpy
from types import SimpleNamespace

import matplotlib as mpl
import pytest

from sercore.paths import PROJECT


@pytest.fixture(scope="module")
def page():
    """The whole page, run: it needs no corpus and no model."""
    with mpl.rc_context({"backend": "agg"}):
        return SimpleNamespace(**runpy.run_path(str(PROJECT / "notebooks" / "comparison.py")))


def test_the_printed_reduction_is_one_of_bytes_and_not_of_parameters(page):
    """By hand: 1 - 23.49 / 95.04 and 1 - 23 / 318; printed: 92 % of the parameters."""
    assert page.by_parameters == pytest.approx(0.7528, abs=5e-5)
    assert page.by_printed_sizes == pytest.approx(0.9277, abs=5e-5)


def test_the_baseline_has_380_megabytes_where_318_are_printed(page):
    """95.04M parameters at four bytes; 318 MB are neither four nor two nor one byte for each."""
    assert page.float32.startswith("380.2 MB")
    assert page.bytes_each == pytest.approx(3.35, abs=0.005)


def test_the_share_of_the_baseline_is_of_one_normalized_by_speaker(page):
    """By hand: 61.4 / 67.2, and 61.4 / 65.8 without the speaker's statistics; printed: 91 %."""
    assert (page.share, page.share_alike) == pytest.approx((0.914, 0.933), abs=5e-4)


def test_under_one_protocol_distillation_costs_less_than_a_percent(page):
    """By hand: 63.02 / 63.43."""
    assert page.share_frozen == pytest.approx(0.9935, abs=5e-5)


def test_a_training_set_grows_by_more_than_the_corpora_together(page):
    """By hand: 10,431 / 5,531, and (3/5 of 5,531 + 4,900) / (3/5 of 5,531); printed: nearly doubled."""
    assert (page.growth, page.growth_of_a_fold) == pytest.approx((1.886, 2.4765), abs=5e-4)


def test_32_percent_of_the_deviation_are_54_of_the_variance(page):
    """By hand: 1 - .021 / .031 and 1 - (.021 / .031)²."""
    assert (page.narrower, page.narrower_variance) == pytest.approx((0.3226, 0.5411), abs=5e-5)


def test_scores_have_the_digits_of_their_source(page):
    """42.00 in EmoBox, 61.4 ± 3.0 in the paper."""
    assert "UA 61.4 ± 3.0" in set(page.as_printed(page.systems)["score (%)"])
    assert "accuracy 42.00" in set(page.as_printed(page.across)["score (%)"])


def test_the_only_smaller_system_prints_more_and_has_heard_its_speakers(page):
    own = page.systems[page.systems["system"] == page.OWN]
    smaller = page.systems[page.systems["million"] < own["million"].iloc[0]]
    assert set(smaller["system"]) == {"LIGHT-SERNET"} and set(smaller["speakers"]) == {"heard"}
    assert smaller["value"].min() > own["value"].max()


def test_within_superb_no_model_is_as_small_as_the_distilled_one(page):
    benchmark = page.systems[page.systems["protocol"] == page.BENCHMARK].set_index("system")
    assert benchmark["million"].idxmin() == page.FROZEN and benchmark.loc[page.FROZEN, "value"] > page.WA


def test_the_second_version_is_above_the_frozen_models_under_either_direction(page):
    accuracies = page.across.query("metric == 'accuracy'")
    own = accuracies["system"] == page.OWN
    assert accuracies[~own].groupby("protocol").size().tolist() == [4, 4]
    assert accuracies[own]["value"].max() == 46.64 > accuracies[~own]["value"].max()
