"""Which of a speaker's utterances the moments come from, where they are mostly of one emotion."""

import numpy as np
import pandas as pd
import pytest

import sercore
from sercore.data import load_corpus
from sercore.labels import EMOTIONS
from sercore.runtime import SpeakerClassifier
from sercore.runtime.speaker import center_logits


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


def test_shipped_model_gives_what_the_page_computes(page, real_cremad):
    """`adjust` of the page "Speaker normalization", on utterances of two actors in turn."""
    table = load_corpus("cremad", real_cremad)
    part = pd.concat([own.head(6) for _, own in table.groupby("speaker")][:2]).sample(frac=1, random_state=0)
    classifier = sercore.load()
    logits = center_logits(np.array([classifier.probabilities(path) for path in part["path"]]))
    home = np.array(classifier.metadata["speakers"]["mean"])
    page.adjust.__globals__.update(speakers=part["speaker"].to_numpy(), logits=logits, home=home)
    expected = page.adjust(np.arange(len(part)))
    known = {speaker: SpeakerClassifier(classifier) for speaker in part["speaker"].unique()}
    found = [[*known[row.speaker].predict(row.path).values()] for row in part.itertuples()]
    np.testing.assert_allclose(found, expected, atol=1e-6)
