"""The unseen corpus: the recall that the paper does not print, and whether errors stay within the arousal."""

import numpy as np
import pytest
from scipy.stats import random_table

from sercore.labels import AROUSAL, EMOTIONS
from sercore.page import read_number


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("ravdess_analysis")


@pytest.fixture(scope="module")
def implied(page):
    recalls = {name: read_number("recall", "V-B", emotion=name) for name in ("anger", "neutral", "sadness")}
    return page.find_counts(read_number("accuracy", "V-B"), read_number("UA", "V-B"), recalls)


def test_the_recall_of_happiness_is_at_most_1_6_percent(page, implied):
    """The paper prints accuracy 46.64, UA 45.57 and recalls of 99, 55 and 27 %: 1 to 3 of 192 are left."""
    recalls = 100 * implied["happiness"] / page.SUPPORT["happiness"]
    assert (recalls.min(), recalls.max()) == pytest.approx((0.5, 1.6), abs=0.05)


def test_every_implied_set_adds_up_to_403_of_864(implied):
    """46.64 % of 864."""
    assert len(implied) == 4 and set(implied.sum(axis=1)) == {403}


def test_percentages_that_contradict_each_other_have_no_counts(page):
    assert page.find_counts(90.0, 45.57, {"anger": 99, "neutral": 55, "sadness": 27}).empty


def test_support_is_that_of_24_actors_with_calm_as_neutral(page):
    """Two statements, two repetitions, two intensities; neutral has one intensity and calm two."""
    clip = 24 * 2 * 2
    assert {"anger": 2 * clip, "happiness": 2 * clip, "neutral": 3 * clip, "sadness": 2 * clip} == page.SUPPORT


@pytest.mark.parametrize(("error", "share"), [(("anger", "happiness"), 1), (("anger", "sadness"), 0)])
def test_an_error_is_within_the_arousal_where_both_emotions_have_it(page, error, share):
    counts = np.diag([5] * len(EMOTIONS))
    counts[EMOTIONS.index(error[0]), EMOTIONS.index(error[1])] = 3
    assert (AROUSAL[error[0]] == AROUSAL[error[1]]) == bool(share)
    assert page.share_within(counts) == share


def test_without_an_error_no_share_is_within(page):
    assert page.share_within(np.diag([5] * len(EMOTIONS))) == 0


def test_chance_of_even_margins_is_a_third(page):
    """Of the three wrong emotions, one has the arousal of the true one."""
    tables = random_table([100] * 4, [100] * 4, seed=0).rvs(500)
    assert page.share_within(tables).mean() == pytest.approx(1 / 3, abs=0.005)
