"""Aligning moments on made-up embeddings: four class means, noise, and an affine shift of each speaker."""

import numpy as np
import pytest

from sercore.evaluation import PRIOR, align_arriving, align_moments, fit_moments

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


@pytest.mark.parametrize("prior", [0, PRIOR])
def test_dimension_that_does_not_vary_stays_a_number_while_arriving(prior):
    aligned = align_arriving([[0.1]] * 5, (np.array([7.0]), np.array([2.0])), ["a"] * 5, range(5), prior)
    assert np.isfinite(aligned).all()
    assert prior or (aligned == 7).all()


def test_speaker_of_one_utterance_lands_on_the_mean_of_the_source():
    source = (np.array([7.0, -1.0]), np.array([2.0, 1.0]))
    assert align_moments([[1, 2], [3, 4], [5, 6]], source, ["a", "a", "b"])[2].tolist() == [7, -1]


def test_arriving_equals_a_plain_loop(corpus):
    embeddings, (mean, deviation), speakers = shifted(corpus)
    order = np.random.default_rng(2).permutation(len(embeddings))
    expected, known = np.empty_like(embeddings), {}
    for row in order:
        known.setdefault(speakers[row], []).append(embeddings[row])
        so_far = np.array(known[speakers[row]])
        weight = PRIOR + len(so_far)
        own = (PRIOR * mean + so_far.sum(axis=0)) / weight
        square = (PRIOR * (mean**2 + deviation**2) + (so_far**2).sum(axis=0)) / weight
        expected[row] = (embeddings[row] - own) / np.sqrt(square - own**2) * deviation + mean
    np.testing.assert_allclose(align_arriving(*shifted(corpus), order), expected)


def test_what_comes_later_does_not_change_what_came_before(corpus):
    embeddings, order = corpus["embeddings"].copy(), np.arange(len(corpus["embeddings"]))
    before = align_arriving(embeddings, corpus["source"], corpus["groups"], order)
    embeddings[20] += 5
    after = align_arriving(embeddings, corpus["source"], corpus["groups"], order)
    assert np.array_equal(before[:20], after[:20]) and not np.allclose(before[20:36], after[20:36])


def test_last_to_arrive_without_prior_is_aligned_with_all_of_the_speaker(corpus):
    order = np.random.default_rng(4).permutation(len(corpus["embeddings"]))
    last = [order[corpus["groups"][order] == speaker][-1] for speaker in set(corpus["groups"])]
    arriving = align_arriving(*shifted(corpus), order, prior=0)
    np.testing.assert_allclose(arriving[last], align_moments(*shifted(corpus))[last])


def test_first_to_arrive_without_prior_lands_on_the_mean_of_the_source(corpus):
    arriving = align_arriving(*shifted(corpus), range(len(corpus["embeddings"])), prior=0)
    assert np.array_equal(arriving[0], corpus["source"][0])


def test_strong_prior_leaves_everything_as_it_is(corpus):
    arriving = align_arriving(*shifted(corpus), range(len(corpus["embeddings"])), prior=1e9)
    np.testing.assert_allclose(arriving, corpus["embeddings"], atol=1e-4)


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 1], [1, 2, 3]])
def test_order_that_is_no_permutation_is_said(order):
    with pytest.raises(ValueError, match="each of the 3 rows once"):
        align_arriving(np.eye(3), fit_moments(np.eye(3)), ["a"] * 3, order)


@pytest.mark.parametrize("speakers", [["a"], ["a", None, "a"]])
def test_missing_speaker_is_said(speakers):
    with pytest.raises(ValueError, match="3 embeddings need one speaker"):
        align_moments(np.eye(3), fit_moments(np.eye(3)), speakers)


def test_impossible_prior_and_no_embeddings_are_said():
    with pytest.raises(ValueError, match="prior is -1"):
        align_arriving(np.eye(3), fit_moments(np.eye(3)), ["a"] * 3, range(3), prior=-1)
    with pytest.raises(ValueError, match="at least one utterance"):
        fit_moments(np.empty((0, 3)))
