"""Aligning moments on made-up embeddings: four class means, noise, and an affine shift of each speaker."""

import numpy as np
import pytest

from sercore.evaluation import align_moments, fit_moments

SPEAKERS, DIMENSIONS = 6, 10
COUNTS = (8, 8, 12, 8)  # RAVDESS, each speaker: anger, happiness, neutral with calm, sadness


@pytest.fixture
def corpus():
    """Six speakers with the same moments, and then a shift of each speaker's own."""
    rng = np.random.default_rng(0)
    codes = np.tile(np.repeat(range(4), COUNTS), SPEAKERS)
    number = np.repeat(range(SPEAKERS), sum(COUNTS))
    clean = rng.normal(size=(4, DIMENSIONS))[codes] + rng.normal(size=(len(codes), DIMENSIONS))
    source = fit_moments(clean)
    clean = align_moments(clean, source, number)
    gain, offset = rng.uniform(0.3, 3, (SPEAKERS, DIMENSIONS)), rng.normal(0, 4, (SPEAKERS, DIMENSIONS))
    return {
        "clean": clean,
        "embeddings": clean * gain[number] + offset[number],
        "source": source,
        "groups": np.array([f"S{speaker}" for speaker in number]),
    }


def shifted(corpus):
    return corpus["embeddings"], corpus["source"], corpus["groups"]


def test_moments_by_hand():
    """Of 1, 3: mean 2, deviation 1. Of 0.1 three times the deviation is exactly 0."""
    mean, deviation = fit_moments([[1, 5], [3, 5]])
    assert mean.tolist() == [2, 5] and deviation.tolist() == [1, 0]
    assert fit_moments([[0.1]] * 3)[1] == 0


def test_aligned_whole_has_the_moments_of_the_source(corpus):
    aligned = align_moments(corpus["embeddings"], corpus["source"])
    np.testing.assert_allclose(fit_moments(aligned), corpus["source"], atol=1e-6)


def test_alignment_undoes_what_a_speaker_does_to_each_dimension(corpus):
    np.testing.assert_allclose(align_moments(*shifted(corpus)), corpus["clean"], atol=1e-6)


def test_rows_of_a_group_need_not_stand_together(corpus):
    order = np.random.default_rng(1).permutation(len(corpus["embeddings"]))
    shuffled = align_moments(corpus["embeddings"][order], corpus["source"], corpus["groups"][order])
    np.testing.assert_allclose(shuffled, align_moments(*shifted(corpus))[order])


def test_dimension_that_does_not_vary_gets_the_mean_of_the_source():
    aligned = align_moments([[0.1, 1], [0.1, 2], [0.1, 3]], (np.array([7.0, 0.0]), np.array([2.0, 1.0])))
    assert aligned[:, 0].tolist() == [7, 7, 7]


def test_speaker_of_one_utterance_lands_on_the_mean_of_the_source():
    source = (np.array([7.0, -1.0]), np.array([2.0, 1.0]))
    assert align_moments([[1, 2], [3, 4], [5, 6]], source, ["a", "a", "b"])[2].tolist() == [7, -1]


@pytest.mark.parametrize("speakers", [["a"], ["a", None, "a"]])
def test_missing_speaker_is_said(speakers):
    with pytest.raises(ValueError, match="3 embeddings need one speaker"):
        align_moments(np.eye(3), fit_moments(np.eye(3)), speakers)


def test_no_embeddings_are_said():
    with pytest.raises(ValueError, match="at least one utterance"):
        fit_moments(np.empty((0, 3)))
