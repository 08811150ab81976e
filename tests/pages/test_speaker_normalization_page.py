"""Which of a speaker's utterances the moments come from, where they are mostly of one emotion."""

import numpy as np
import pandas as pd
import pytest

from sercore.labels import EMOTIONS


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("speaker_normalization")


@pytest.fixture
def own():
    """Ten utterances of each emotion of one speaker."""
    return pd.DataFrame({"emotion": np.repeat(EMOTIONS, 10)}, index=np.arange(100, 140))


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.75, 1])
def test_picked_utterances_hold_the_share_and_the_rest_evenly(page, own, share):
    picked = own.loc[page.pick(own, "sadness", share, 8, np.random.default_rng(0)), "emotion"].value_counts()
    others = picked.drop("sadness", errors="ignore")
    assert picked.sum() == 8 and picked.get("sadness", 0) == round(8 * share)
    assert others.empty or others.reindex(EMOTIONS[:3], fill_value=0).pipe(np.ptp) <= 1


def test_no_utterance_is_picked_twice(page, own):
    picked = page.pick(own, "anger", 0.25, 16, np.random.default_rng(0))
    assert len(set(picked)) == 16


def test_other_draws_are_other_utterances(page, own):
    rng = np.random.default_rng(0)
    assert sorted(page.pick(own, "anger", 0.5, 8, rng)) != sorted(page.pick(own, "anger", 0.5, 8, rng))


def test_who_has_one_more_is_drawn(page, own):
    """Eight utterances, none of anger: two of the three others stand three times, which ones is left to chance."""
    rng = np.random.default_rng(0)
    fewest = {own.loc[page.pick(own, "anger", 0, 8, rng), "emotion"].value_counts().idxmin() for _ in range(40)}
    assert fewest == {*EMOTIONS} - {"anger"}


def test_normalized_speakers_have_one_mean_and_one_deviation(page):
    """Two speakers, one offset and scaled against the other, become the same."""
    own = np.random.default_rng(0).normal(size=(5, 3))
    part = pd.DataFrame({"speaker": ["one"] * 5 + ["other"] * 5})
    one, other = np.split(page.normalize(np.concatenate([own, 3 * own + 7]), part), 2)
    assert one == pytest.approx(other)
    assert one.mean(axis=0) == pytest.approx(0, abs=1e-9) and one.std(axis=0) == pytest.approx(1)
