"""Aligning moments on made-up embeddings: four class means, noise, and an affine shift of each speaker."""

import math

import numpy as np
import pandas as pd
import pytest

from sercore.emotions import EMOTIONS
from sercore.evaluation.adaptation import (
    PRIOR,
    align,
    align_arriving,
    by_arrival,
    classify,
    moments,
    variants,
    when_unbalanced,
)

pytestmark = pytest.mark.filterwarnings("error")

SPEAKERS, DIMENSIONS = 6, 10
COUNTS = (8, 8, 12, 8)  # RAVDESS, each speaker: anger, happiness, neutral with calm, sadness


@pytest.fixture
def heard():
    """Six speakers with the same moments, the best linear head for them, and then a shift of each speaker's own."""
    rng = np.random.default_rng(0)
    codes = np.tile(np.repeat(range(4), COUNTS), SPEAKERS)
    speakers = np.repeat([f"S{number}" for number in range(SPEAKERS)], sum(COUNTS))
    weight = rng.normal(size=(4, DIMENSIONS))
    clean = weight[codes] + rng.normal(size=(len(codes), DIMENSIONS))
    source = moments(clean)
    clean = align(clean, source, speakers)
    number = np.repeat(range(SPEAKERS), sum(COUNTS))
    gain, offset = rng.uniform(0.3, 3, (SPEAKERS, DIMENSIONS)), rng.normal(0, 4, (SPEAKERS, DIMENSIONS))
    return {
        "clean": clean,
        "embeddings": clean * gain[number] + offset[number],
        "source": source,
        "head": (weight, -(weight**2).sum(axis=1) / 2),
        "speakers": speakers,
        "truth": np.array(EMOTIONS)[codes],
    }


def corpus(heard):
    return [heard[name] for name in ("embeddings", "source", "head", "speakers", "truth")]


def unaligned(heard):
    return heard["embeddings"], heard["source"], heard["speakers"]


def test_moments_by_hand():
    """Of 1, 3: mean 2, deviation 1. Of 0.1 three times the deviation is exactly 0."""
    mean, deviation = moments([[1, 5], [3, 5]])
    assert mean.tolist() == [2, 5] and deviation.tolist() == [1, 0]
    assert moments([[0.1]] * 3)[1] == 0


def test_aligned_whole_has_the_moments_of_the_source(heard):
    aligned = moments(align(heard["embeddings"], heard["source"]))
    assert np.allclose(aligned, heard["source"], atol=1e-6)


def test_each_aligned_speaker_has_the_moments_of_the_source(heard):
    aligned = align(*unaligned(heard))
    for speaker in set(heard["speakers"]):
        assert np.allclose(moments(aligned[heard["speakers"] == speaker]), heard["source"], atol=1e-6)


def test_alignment_undoes_what_a_speaker_does_to_each_dimension(heard):
    head = heard["head"]
    clean, aligned = classify(heard["clean"], head), classify(align(*unaligned(heard)), head)
    assert (aligned.argmax(axis=1) == clean.argmax(axis=1)).all()
    assert np.allclose(aligned, clean)
    assert (classify(heard["embeddings"], head).argmax(axis=1) != clean.argmax(axis=1)).any()


def test_alignment_does_not_depend_on_the_order_of_rows(heard):
    order = np.random.default_rng(1).permutation(len(heard["embeddings"]))
    shuffled = align(heard["embeddings"][order], heard["source"], heard["speakers"][order])
    assert np.allclose(shuffled, align(*unaligned(heard))[order])


def test_dimension_that_does_not_vary_gets_the_mean_of_the_source():
    aligned = align([[0.1, 1], [0.1, 2], [0.1, 3]], (np.array([7.0, 0.0]), np.array([2.0, 1.0])))
    assert aligned[:, 0].tolist() == [7, 7, 7]


@pytest.mark.parametrize("prior", [0, PRIOR])
def test_dimension_that_does_not_vary_stays_a_number_while_arriving(prior):
    source = (np.array([7.0]), np.array([2.0]))
    aligned = align_arriving([[0.1]] * 5, source, ["a"] * 5, range(5), prior)
    assert np.isfinite(aligned).all()
    assert prior or (aligned == 7).all()


def test_speaker_of_one_utterance_lands_on_the_mean_of_the_source():
    source = (np.array([7.0, -1.0]), np.array([2.0, 1.0]))
    aligned = align([[1, 2], [3, 4], [5, 6]], source, ["a", "a", "b"])
    assert aligned[2].tolist() == [7, -1]


def test_source_without_variation_takes_everything_to_its_mean():
    source = (np.array([7.0]), np.array([0.0]))
    assert (align_arriving([[1.0], [2.0]], source, ["a", "a"], [1, 0]) == 7).all()


def test_arriving_equals_a_plain_loop(heard):
    embeddings, (mean, deviation), speakers = unaligned(heard)
    order = np.random.default_rng(2).permutation(len(embeddings))
    expected, known = np.empty_like(embeddings), {}
    for row in order:
        known.setdefault(speakers[row], []).append(embeddings[row])
        far = np.array(known[speakers[row]])
        weight = PRIOR + len(far)
        own = (PRIOR * mean + far.sum(axis=0)) / weight
        square = (PRIOR * (mean**2 + deviation**2) + (far**2).sum(axis=0)) / weight
        expected[row] = (embeddings[row] - own) / np.sqrt(square - own**2) * deviation + mean
    assert np.allclose(align_arriving(*unaligned(heard), order), expected)


def test_arriving_does_not_depend_on_when_other_speakers_speak(heard):
    mixed = np.random.default_rng(3).permutation(len(heard["embeddings"]))
    in_turn = mixed[np.argsort(heard["speakers"][mixed], kind="stable")]
    aligned = [align_arriving(*unaligned(heard), order) for order in (mixed, in_turn)]
    assert np.array_equal(*aligned)


def test_what_comes_later_does_not_change_what_came_before(heard):
    embeddings, order = heard["embeddings"].copy(), np.arange(len(heard["embeddings"]))
    before = align_arriving(embeddings, heard["source"], heard["speakers"], order)
    embeddings[20] += 5
    after = align_arriving(embeddings, heard["source"], heard["speakers"], order)
    assert np.array_equal(before[:20], after[:20]) and not np.allclose(before[20:36], after[20:36])


def test_last_to_arrive_without_prior_is_aligned_with_all_of_the_speaker(heard):
    order = np.random.default_rng(4).permutation(len(heard["embeddings"]))
    last = [order[heard["speakers"][order] == speaker][-1] for speaker in set(heard["speakers"])]
    arriving = align_arriving(*unaligned(heard), order, prior=0)
    assert np.allclose(arriving[last], align(*unaligned(heard))[last])


def test_first_to_arrive_without_prior_lands_on_the_mean_of_the_source(heard):
    arriving = align_arriving(*unaligned(heard), range(len(heard["embeddings"])), prior=0)
    assert np.array_equal(arriving[0], heard["source"][0])


def test_strong_prior_leaves_everything_as_it_is(heard):
    arriving = align_arriving(*unaligned(heard), range(len(heard["embeddings"])), prior=1e9)
    assert np.allclose(arriving, heard["embeddings"], atol=1e-4)


def test_classify_is_a_softmax_of_the_logits():
    weight, bias = np.array([[1.0, 0], [0, 1], [1, 1], [0, 0]]), np.array([0, 0, -1, 0.5])
    logits = [2, 3, 4, 0.5]  # of the embedding (2, 3)
    expected = [math.exp(logit) / sum(map(math.exp, logits)) for logit in logits]
    assert classify(np.array([[2.0, 3.0]]), (weight, bias))[0] == pytest.approx(expected)


def test_variants_go_from_nothing_to_what_a_phone_can_do(heard):
    found = variants(*corpus(heard)[:4])
    assert list(found) == ["as it is", "whole corpus", "per speaker", "per speaker, arriving"]
    assert all(np.allclose(probabilities.sum(axis=1), 1) for probabilities in found.values())
    assert np.array_equal(found["as it is"], classify(heard["embeddings"], heard["head"]))
    assert np.allclose(found["per speaker"], classify(heard["clean"], heard["head"]))


def test_same_seed_same_order_of_arrival(heard):
    once, again, other = (variants(*corpus(heard)[:4], seed=seed)["per speaker, arriving"] for seed in (0, 0, 1))
    assert np.array_equal(once, again) and not np.array_equal(once, other)


def test_the_more_is_heard_the_better(heard):
    table = by_arrival(*corpus(heard), orders=20)
    assert table["utterances"].tolist() == list(range(1, 37))
    assert table["UA"].iloc[-1] > table["UA"].iloc[0] + 0.1
    assert ((table["low"] <= table["UA"]) & (table["UA"] <= table["high"])).all()


def test_by_arrival_is_the_score_of_those_who_stand_there(heard):
    """One order: the k-th row is the mean recall over the six utterances that are their speakers' k-th."""
    table = by_arrival(*corpus(heard), orders=1, seed=5)
    order = np.random.default_rng(5).permutation(len(heard["embeddings"]))
    probabilities = classify(align_arriving(*unaligned(heard), order), heard["head"])
    predicted, truth = np.array(EMOTIONS)[probabilities.argmax(axis=1)], heard["truth"]
    own = [order[heard["speakers"][order] == speaker] for speaker in set(heard["speakers"])]
    for k in (0, 7, 35):
        rows = np.array([rows[k] for rows in own])
        right = pd.Series(predicted[rows] == truth[rows])
        assert table["UA"][k] == pytest.approx(right.groupby(truth[rows]).mean().mean())


def test_by_arrival_stops_with_the_speaker_of_fewest_utterances(heard):
    cut = slice(30, None)  # leaves six of the first speaker
    embeddings, source, head, speakers, truth = corpus(heard)
    assert len(by_arrival(embeddings[cut], source, head, speakers[cut], truth[cut], orders=2)) == 6


def test_one_speaker_has_an_interval_of_no_width(heard):
    embeddings, source, head, speakers, truth = corpus(heard)
    table = by_arrival(embeddings[:36], source, head, speakers[:36], truth[:36], orders=3)
    assert table["low"].tolist() == table["high"].tolist() == table["UA"].tolist()


def test_hearing_mostly_one_emotion_costs_recognition(heard):
    """Signal is in the class means: a mean of one class alone takes the signal away."""
    table = when_unbalanced(*corpus(heard), repeats=5)
    ua = table.pivot(index="share", columns="emotion", values="UA")
    assert list(ua.columns) == [*EMOTIONS]
    assert (ua.loc[1.0] < ua.loc[0.5]).all() and (ua.loc[0.5] < ua.loc[0.25]).all()
    assert ((table["UA_least"] <= table["UA"]) & (table["UA"] <= table["UA_most"])).all()


def test_no_more_is_heard_than_every_speaker_has_of_every_emotion(heard):
    table = when_unbalanced(*corpus(heard), heard=16, repeats=2)
    assert table.attrs == {"heard": 8, "left_out": []}
    assert when_unbalanced(*corpus(heard), heard=4, repeats=2).attrs["heard"] == 4


def test_all_there_is_of_one_emotion_leaves_nothing_to_chance(heard):
    """Eight of eight anger utterances: every repeat hears the same, and scores as moments of those say."""
    table = when_unbalanced(*corpus(heard), shares=[1], repeats=3).set_index("emotion")
    embeddings, aligned = heard["embeddings"], np.empty_like(heard["embeddings"])
    for speaker in set(heard["speakers"]):
        own = heard["speakers"] == speaker
        mean, deviation = moments(embeddings[own & (heard["truth"] == "anger")])
        aligned[own] = (embeddings[own] - mean) / deviation * heard["source"][1] + heard["source"][0]
    right = pd.Series(np.array(EMOTIONS)[classify(aligned, heard["head"]).argmax(axis=1)] == heard["truth"])
    anger = table.loc["anger"]
    assert anger["UA_least"] == anger["UA_most"] == pytest.approx(right.groupby(heard["truth"]).mean().mean())


def test_emotion_that_a_speaker_lacks_is_left_out_and_named(heard):
    embeddings, source, head, speakers, truth = corpus(heard)
    kept = (speakers != "S0") | (truth != "sadness")
    table = when_unbalanced(embeddings[kept], source, head, speakers[kept], truth[kept], repeats=2)
    assert set(table["emotion"]) == {"anger", "happiness", "neutral"}
    assert table.attrs["left_out"] == ["sadness"]


def test_one_emotion_alone_cannot_be_unbalanced(heard):
    embeddings, source, head, speakers, truth = corpus(heard)
    kept = truth == "anger"
    with pytest.raises(ValueError, match="fewer than two emotions"):
        when_unbalanced(embeddings[kept], source, head, speakers[kept], truth[kept])


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 1], [1, 2, 3]])
def test_order_that_is_no_permutation_is_said(order):
    with pytest.raises(ValueError, match="each of the 3 rows once"):
        align_arriving(np.eye(3), moments(np.eye(3)), ["a"] * 3, order)


@pytest.mark.parametrize("speakers", [["a"], ["a", None, "a"]])
def test_missing_speaker_is_said(speakers):
    with pytest.raises(ValueError, match="3 embeddings need one speaker"):
        align(np.eye(3), moments(np.eye(3)), speakers)


@pytest.mark.parametrize("change", [{"orders": 0}, {"truth": ["fear"] * 216}])
def test_by_arrival_says_what_is_wrong(heard, change):
    names = ("embeddings", "source", "head", "speakers", "truth")
    with pytest.raises(ValueError, match="orders is 0|216 of them unknown"):
        by_arrival(**{name: heard[name] for name in names} | change)


def test_impossible_prior_share_and_no_embeddings_are_said(heard):
    with pytest.raises(ValueError, match="prior is -1"):
        align_arriving(np.eye(3), moments(np.eye(3)), ["a"] * 3, range(3), prior=-1)
    with pytest.raises(ValueError, match="shares lie in 0..1"):
        when_unbalanced(*corpus(heard), shares=[1.5])
    with pytest.raises(ValueError, match="at least one utterance"):
        moments(np.empty((0, 3)))
