"""What a known speaker's embeddings and logits become."""

import numpy as np
import pandas as pd
import pytest

from sercore.labels import EMOTIONS
from sercore.runtime.speaker import describe_speakers


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("known_speaker")


def test_normalized_speakers_have_one_mean_and_one_deviation(page):
    """Two speakers, one offset and scaled against the other, become the same."""
    own = np.random.default_rng(0).normal(size=(5, 3))
    part = pd.DataFrame({"speaker": ["one"] * 5 + ["other"] * 5})
    one, other = np.split(page.normalize(np.concatenate([own, 3 * own + 7]), part), 2)
    assert one == pytest.approx(other)
    assert one.mean(axis=0) == pytest.approx(0, abs=1e-9) and one.std(axis=0) == pytest.approx(1)


def test_calm_utterances_undo_what_a_speaker_adds(page):
    """Two speakers with offsets of their own, without noise: after many calm ones, nothing is wrong."""
    labels = np.tile(np.repeat(range(4), 60), 2)
    speaker = np.repeat([0, 1], 240)
    logits = 4.0 * np.eye(4)[labels] - 1.0
    part = pd.DataFrame({"emotion": np.array(EMOTIONS)[labels], "speaker": speaker, "utterance": range(480)})
    known = describe_speakers(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), part["emotion"].to_numpy())
    shifted = logits + np.array([[6.0, -2.0, -2.0, -2.0], [-2.0, -2.0, -2.0, 6.0]])[speaker]
    scores = [page.score_enrolled(shifted, part, known, count, np.random.default_rng(0)) for count in (0, 50)]
    assert scores[0] < 0.7 and scores[1] == 1
