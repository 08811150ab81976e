"""The preprocessing chain of section III-B."""

import numpy as np
import pytest

from sercore.audio_files import SAMPLE_RATE
from sercore.data.preprocessing import PEAK, preprocess

TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def test_chain_is_trim_then_pre_emphasis_then_peak():
    """Section III-B, computed here step by step: H(z) = 1 - 0.97 z^-1 starting from rest, then 0.95 of full scale."""
    emphasised = TONE.astype(float).copy()
    emphasised[1:] -= 0.97 * TONE[:-1]
    expected = 0.95 * emphasised / np.abs(emphasised).max()
    np.testing.assert_allclose(preprocess(TONE), expected, atol=1e-6)


def test_edges_20_db_below_the_peak_are_removed():
    quiet = TONE * 10 ** (-26 / 20)  # well under the paper's 20 dB
    trimmed = preprocess(np.concatenate([quiet, TONE, quiet]))
    assert len(TONE) <= len(trimmed) < len(TONE) + 0.2 * SAMPLE_RATE


def test_peak_is_normalised_whatever_the_level():
    for level in (0.01, 1.0):
        assert np.abs(preprocess(level * TONE)).max() == pytest.approx(PEAK)


def test_silence_stays_silent():
    """CREMA-D's 1076_MTI_SAD_XX is all zeros; peak normalisation would be 0/0."""
    assert not preprocess(np.zeros(SAMPLE_RATE, np.float32)).any()
    almost = np.full(SAMPLE_RATE, 2e-34, np.float32)
    assert np.abs(preprocess(almost)).max() < 1e-30
