"""How a voice sounds, measured on tones of which it is known."""

import numpy as np
import pytest
import soundfile

from sercore.audio_files import SAMPLE_RATE


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("acoustics")


def measure(page, folder, waveform) -> list[float]:
    soundfile.write(folder / "voice.wav", waveform, SAMPLE_RATE, subtype="FLOAT")
    return [page.measure_voice(folder / "voice.wav")[name] for name in page.MEASURES]


def test_a_steady_tone_has_its_level_pitch_and_length(page, tmp_path):
    """A sine of amplitude .5 has an RMS of -9 dB; the silence around it is trimmed."""
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    level, pitch, movement, seconds = measure(page, tmp_path, np.pad(tone, SAMPLE_RATE))
    assert (level, pitch) == pytest.approx((-9.0, 200), rel=0.07)
    assert 1 <= seconds < 1.2 and movement < 0.5


def test_an_octave_up_is_twice_the_pitch_and_no_movement(page, tmp_path):
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    pitches = [measure(page, tmp_path, 0.5 * np.sin(2 * np.pi * hertz * time))[1] for hertz in (150, 300)]
    assert pitches[1] / pitches[0] == pytest.approx(2, rel=0.02)


def test_a_gliding_tone_moves(page, tmp_path):
    """An octave evenly: the deviation of a uniform distribution over 12 semitones is 12 / sqrt(12) = 3.5."""
    hertz = 150 * 2 ** (np.arange(2 * SAMPLE_RATE) / (2 * SAMPLE_RATE))
    glide = 0.5 * np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE)
    assert measure(page, tmp_path, glide)[2] == pytest.approx(3.5, abs=0.3)


def test_silence_has_neither_level_nor_pitch(page, tmp_path):
    *measured, seconds = measure(page, tmp_path, np.zeros(SAMPLE_RATE))
    assert np.isnan(measured).all() and seconds >= 0
