"""Calibration: a temperature that is known is found again, and is fitted on other speakers only."""

import numpy as np
import pandas as pd
import pytest

from sercore.labels import EMOTIONS


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("calibration")


@pytest.fixture(scope="module")
def predictions():
    """4,000 utterances of eight speakers whose labels are drawn from the probabilities: calibrated as they are."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(len(EMOTIONS)), 4000)
    table = pd.DataFrame(probabilities, columns=EMOTIONS)
    table["y_true"] = [rng.choice(EMOTIONS, p=own) for own in probabilities]
    table["y_pred"] = np.array(EMOTIONS)[probabilities.argmax(axis=1)]
    return table.assign(speaker=np.repeat([*"abcdefgh"], 500))


def test_calibrated_probabilities_need_no_temperature(page, predictions):
    assert page.fit_temperature(predictions) == pytest.approx(1, abs=0.05)
    assert page.measure_error(predictions) < 0.03


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_temperature_is_undone_by_its_inverse(page, predictions, temperature):
    changed = predictions.copy()
    changed[sorted(EMOTIONS)] = page.scale(predictions, temperature)
    assert page.fit_temperature(changed) == pytest.approx(1 / temperature, rel=0.05)
    assert page.measure_error(changed) > page.measure_error(changed, 1 / temperature)


def test_error_is_the_distance_of_accuracy_from_confidence(page):
    """By hand: ten utterances at .7, half of them right, ten at .9, all right: (.2 + .1) / 2."""
    rows = [[0.7, 0.1, 0.1, 0.1]] * 10 + [[0.9, 0.04, 0.03, 0.03]] * 10
    table = pd.DataFrame(rows, columns=EMOTIONS)
    table["y_pred"], table["y_true"] = "anger", ["anger", "sadness"] * 5 + ["anger"] * 10
    assert page.measure_error(table) == pytest.approx(0.15)


def test_probabilities_keep_their_order_and_sum(page, predictions):
    scaled = page.scale(predictions, 5.0)
    assert scaled.sum(axis=1) == pytest.approx(1)
    assert (scaled.argmax(axis=1) == page.scale(predictions).argmax(axis=1)).all()


def test_a_temperature_is_fitted_on_other_speakers(page, predictions):
    """Another speaker's labels change what a speaker's utterances are scaled with; the own do not."""
    own = predictions["speaker"] == "a"
    changed = predictions.assign(y_true=predictions["y_true"].mask(own, "anger"))
    before, after = page.fit_across(predictions, parts=8), page.fit_across(changed, parts=8)
    assert (before[own] == after[own]).all() and (before[~own] != after[~own]).all()


def test_one_speaker_is_refused(page, predictions):
    with pytest.raises(ValueError, match="n_splits"):
        page.fit_across(predictions[predictions["speaker"] == "a"])
