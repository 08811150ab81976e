"""Views are seeded, keep their level, and change what they say they change."""

import numpy as np
import pytest

from sercore.data import views
from sercore.data.preprocessing import PEAK
from sercore.data.views import CHANNEL, CONTENT, draw_view

RANDOM = np.random.default_rng(0)
SPEECH = (RANDOM.standard_normal(32_000) * np.linspace(0.1, 0.9, 32_000)).astype(np.float32)


def test_same_seed_same_view_and_another_epoch_another():
    np.testing.assert_array_equal(draw_view(SPEECH, (1, 2, 3)), draw_view(SPEECH, (1, 2, 3)))
    assert not np.array_equal(draw_view(SPEECH, (1, 2, 3)), draw_view(SPEECH, (1, 3, 3)))


def test_every_view_peaks_as_the_chain_leaves_it():
    drawn = [draw_view(SPEECH, (number,)) for number in range(20)]
    assert {view.dtype for view in drawn} == {np.dtype(np.float32)}
    np.testing.assert_allclose([np.abs(view).max() for view in drawn], PEAK, rtol=1e-5)


def test_silence_stays_silent():
    assert not draw_view(np.zeros(8_000, np.float32), (0,)).any()


def test_channel_keeps_length_and_content_keeps_the_spectrum_of_pieces():
    assert len(draw_view(SPEECH, (0,), CHANNEL)) == len(SPEECH)
    shuffled = views.shuffle_pieces(SPEECH, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(SPEECH))
    assert not np.array_equal(shuffled, SPEECH)


def test_speed_bounds_the_length():
    lengths = [len(views.change_speed(SPEECH, np.random.default_rng(number))) for number in range(50)]
    assert min(lengths) >= 32_000 / 1.16 - 1 and max(lengths) <= 32_000 / 0.86 + 1


def test_noise_lies_between_8_and_40_db():
    for number in range(20):
        noise = views.add_noise(SPEECH, np.random.default_rng(number)) - SPEECH
        ratio_db = 20 * np.log10(np.linalg.norm(SPEECH) / np.linalg.norm(noise))
        assert 7.9 < ratio_db < 40.1


@pytest.mark.parametrize("samples", [1_920, 1_921, 40_000])
def test_every_change_takes_any_length(samples):
    for change, _ in CONTENT + CHANNEL:
        assert np.isfinite(change(SPEECH[:samples], np.random.default_rng(0))).all()
