"""Calibration on made-up predictions whose probabilities are, or are known not to be, what they say."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from sercore.emotions import EMOTIONS
from sercore.evaluation.calibration import (
    TEMPERATURES,
    confidence,
    cross_scaled,
    ece,
    nll,
    reliability,
    scaled,
    temperature,
)

pytestmark = pytest.mark.filterwarnings("error")


def table(probabilities, truth, speakers=None) -> pd.DataFrame:
    """Predictions as they are stored: six digits, the predicted emotion from the unrounded ones."""
    probabilities = np.asarray(probabilities, float)
    number = len(probabilities)
    columns = {"utterance": [f"u{row}" for row in range(number)], "speaker": speakers if speakers is not None else "S0"}
    columns |= {"truth": truth, "predicted": np.array(EMOTIONS)[probabilities.argmax(axis=1)]}
    return pd.DataFrame(columns | dict(zip(EMOTIONS, probabilities.round(6).T, strict=True)))


@pytest.fixture(scope="module")
def sharpened():
    """20,000 utterances of 20 speakers: truth drawn from softmax(logits), probabilities stored from factor x logits."""

    def make(factor: float) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 1.2, (20_000, 4))
        below = softmax(logits, axis=1).cumsum(axis=1)
        truth = np.array(EMOTIONS)[(rng.random((20_000, 1)) > below[:, :3]).sum(axis=1)]
        return table(softmax(factor * logits, axis=1), truth, [f"S{row % 20}" for row in range(20_000)])

    return make


HAND = table(
    [[0.6, 0.2, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1], [0.0, 0.65, 0.35, 0.0], [0, 0, 1, 0], [0.1, 0.3, 0.3, 0.3]],
    ["anger", "sadness", "happiness", "neutral", "anger"],
)


def test_confidence_is_the_probability_of_what_is_predicted():
    assert confidence(HAND).tolist() == [0.6, 0.7, 0.65, 1.0, 0.3]
    renamed = HAND.assign(predicted="sadness")
    assert confidence(renamed).tolist() == HAND["sadness"].tolist()


def test_reliability_by_hand():
    """Bins of a fifth: .3 (wrong) in the second; .6, .7, .65 (two of three right) in the fourth; 1 in the last."""
    found = reliability(HAND, bins=5)
    expected = [[0.2, 0.4, 1, 0.3, 0], [0.6, 0.8, 3, 0.65, 2 / 3], [0.8, 1, 1, 1, 1]]
    assert list(found.columns) == ["low", "high", "utterances", "confidence", "accuracy"]
    assert np.allclose(found.to_numpy(), expected)


def test_edge_belongs_to_the_bin_above_it():
    """0.29 * 100 is 28.999999999999996 in floating point."""
    edges = np.array([0.29, 0.3, 0.57, 0.58, 0.7])
    predictions = table(np.column_stack([edges, *[(1 - edges) / 3] * 3]), "anger")
    assert reliability(predictions, bins=100)["low"].tolist() == pytest.approx(edges)


def test_every_utterance_is_in_one_bin(sharpened):
    assert reliability(sharpened(2.0), bins=7)["utterances"].sum() == 20_000


def test_ece_by_hand():
    """Of the bins above: (1 x .3 + 3 x |2/3 - .65| + 1 x 0) / 5."""
    assert ece(HAND, bins=5) == pytest.approx((0.3 + 3 * (2 / 3 - 0.65)) / 5)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_equals_a_plain_loop(sharpened, bins):
    predictions = sharpened(1.5).iloc[:2000]
    sums = [0.0] * bins
    for row in predictions.itertuples():
        sure = max(row.anger, row.happiness, row.neutral, row.sadness)
        sums[min(int(sure * bins), bins - 1)] += (row.truth == row.predicted) - sure
    assert ece(predictions, bins) == pytest.approx(sum(map(abs, sums)) / 2000)


def test_probabilities_that_mean_what_they_say_have_a_small_error(sharpened):
    assert ece(sharpened(1.0)) < 0.01 < ece(sharpened(2.0))


def test_nll_by_hand():
    probabilities = [[0.5, 0.3, 0.1, 0.1], [0.2, 0.2, 0.2, 0.4]]
    assert nll(table(probabilities, ["happiness", "sadness"])) == pytest.approx(-np.log([0.3, 0.4]).mean())


def test_truth_with_a_stored_probability_of_zero_costs_a_finite_loss():
    assert nll(table([[0, 0, 1, 0]], ["anger"])) == pytest.approx(-np.log(1e-7), rel=1e-6)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_temperature_is_the_factor_by_which_the_logits_were_sharpened(sharpened, factor):
    assert temperature(sharpened(factor)) == pytest.approx(factor, rel=0.05)


def test_temperature_has_the_least_loss(sharpened):
    predictions = sharpened(2.0)
    best = temperature(predictions)
    losses = [nll(scaled(predictions, factor * best)) for factor in (0.9, 1, 1.1)]
    assert losses[1] == min(losses) < nll(predictions)


def test_temperature_stays_within_its_range_when_all_or_nothing_is_right():
    """All right: the loss is 0 in floating point from some T on, and the search stops there."""
    everything, nothing = table([[0.7, 0.1, 0.1, 0.1]], ["anger"]), table([[0.7, 0.1, 0.1, 0.1]], ["sadness"])
    assert TEMPERATURES[0] <= temperature(everything) < 0.1
    assert temperature(nothing) == pytest.approx(TEMPERATURES[1], rel=1e-3)


def test_scaling_by_one_changes_nothing():
    assert np.allclose(scaled(HAND, 1)[[*EMOTIONS]], HAND[[*EMOTIONS]], atol=1e-6)


def test_scaling_by_hand():
    """Square roots of .64, .16, .16, .04 are .8, .4, .4, .2, which sum to 1.8."""
    found = scaled(table([[0.64, 0.16, 0.16, 0.04]], ["anger"]), 2)
    assert found[[*EMOTIONS]].to_numpy()[0] == pytest.approx(np.array([0.8, 0.4, 0.4, 0.2]) / 1.8)


@pytest.mark.parametrize("factor", [*TEMPERATURES, 0.5, 2.0])
def test_scaling_never_changes_what_is_predicted(sharpened, factor):
    predictions = sharpened(2.0)
    found = scaled(predictions, factor)
    assert found["predicted"].equals(predictions["predicted"])
    chosen = found[[*EMOTIONS]].to_numpy().max(axis=1)
    assert np.allclose(confidence(found), chosen)
    assert np.allclose(found[[*EMOTIONS]].sum(axis=1), 1)


def test_cross_scaled_uses_the_temperature_of_other_speakers():
    """Two speakers: each is scaled with what is fitted on the other."""
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4), 200)
    speakers = np.where(np.arange(200) % 3 == 0, "A", "B")
    predictions = table(probabilities, rng.choice(EMOTIONS, 200), speakers)
    own, other = predictions[speakers == "A"], predictions[speakers == "B"]
    found = cross_scaled(predictions)
    assert found["utterance"].equals(predictions["utterance"])
    pd.testing.assert_frame_equal(found[speakers == "A"], scaled(own, temperature(other)))
    pd.testing.assert_frame_equal(found[speakers == "B"], scaled(other, temperature(own)))


def test_cross_scaling_mends_overconfidence(sharpened):
    assert ece(cross_scaled(sharpened(2.0))) < 0.01


def test_own_labels_do_not_reach_own_temperature(sharpened):
    predictions = sharpened(2.0).iloc[:400]
    own = predictions["speaker"] == "S3"
    other_labels = predictions.assign(truth=predictions["truth"].where(~own, "anger"))
    before, after = (cross_scaled(each, parts=20).loc[own, [*EMOTIONS]] for each in (predictions, other_labels))
    pd.testing.assert_frame_equal(before, after)


def test_one_speaker_is_one_clear_line():
    with pytest.raises(ValueError, match="other speakers; give predictions of two") as caught:
        cross_scaled(HAND)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("broken", [HAND.iloc[:0], HAND.assign(predicted="fear")])
def test_no_predictions_or_no_emotions_are_said(broken):
    with pytest.raises(ValueError, match="name no emotion as predicted"):
        reliability(broken)


def test_impossible_bins_and_temperature_are_said():
    with pytest.raises(ValueError, match="bins is 0"):
        reliability(HAND, bins=0)
    with pytest.raises(ValueError, match="the temperature is 0"):
        scaled(HAND, 0)
