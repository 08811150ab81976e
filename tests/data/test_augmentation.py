"""Augmentation draws from the paper's ranges, the same draw for the same seed."""

import random

import numpy as np
import pytest

from sercore.data.augmentation import TRANSFORMS, augment

NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)


def test_ranges_are_the_papers():
    """Section III-B."""
    gain, noise, pitch, polarity = TRANSFORMS.transforms
    assert (gain.min_gain_db, gain.max_gain_db) == (-18, 6)
    assert (noise.min_amplitude, noise.max_amplitude) == (0.001, 0.015)
    assert (pitch.min_semitones, pitch.max_semitones) == (-2, 2)
    assert type(polarity).__name__ == "PolarityInversion"


def test_same_seed_same_draw_whatever_was_drawn_before():
    first = augment(NOISE, (1, 2, 3))
    np.random.random(7)  # noqa: NPY002
    np.testing.assert_array_equal(augment(NOISE, (1, 2, 3)), first)


@pytest.mark.parametrize("other", [(0, 2, 3), (1, 0, 3), (1, 2, 0)])
def test_run_epoch_and_utterance_each_change_the_draw(other):
    assert not np.array_equal(augment(NOISE, (1, 2, 3)), augment(NOISE, other))


def test_global_generators_are_left_alone():
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    augment(NOISE, (1, 2, 3))
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_length_and_type_are_kept():
    for draw in range(20):
        changed = augment(NOISE, (draw,))
        assert changed.shape == NOISE.shape and changed.dtype == np.float32


def test_input_is_not_changed_in_place():
    kept = NOISE.copy()
    for draw in range(20):
        augment(NOISE, (draw,))
    np.testing.assert_array_equal(NOISE, kept)
