"""Audio piece by piece. What files can have wrong with them is tested with `sercore.audio_files`."""

import io

import numpy as np
import pytest
import soundfile

from sercore.audio_files import PIECE
from sercore.runtime.audio_stream import check_waveform, read_raw, split_audio

RATE = 16_000  # Hz
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, 5 * RATE).astype(np.float32)


def test_rate_of_a_file_is_in_the_file(tmp_path):
    soundfile.write(tmp_path / "six.wav", NOISE.reshape(-1, 5), 44_100, subtype="FLOAT")
    pieces, rate = split_audio(str(tmp_path / "six.wav"), 16_000)
    assert rate == 44_100
    np.testing.assert_allclose(np.concatenate([*pieces]), NOISE.reshape(-1, 5).mean(axis=1), atol=1e-7)


def test_waveform_in_pieces_is_the_waveform():
    pieces = [*split_audio(NOISE, RATE)[0]]
    np.testing.assert_array_equal(np.concatenate(pieces), NOISE)
    assert max(map(len, pieces)) == PIECE


def test_raw_bytes_are_samples_as_they_arrive():
    """Half a sample at the end is none."""
    samples = np.arange(-9000, 9000, dtype="<i2")
    np.testing.assert_array_equal(np.concatenate([*read_raw(io.BytesIO(samples.tobytes() + b"x"))]), samples)


def test_neither_file_nor_waveform_is_refused():
    with pytest.raises(TypeError, match="audio is NoneType; give a file"):
        split_audio(None, RATE)


@pytest.mark.parametrize(("kind", "scale"), [("int16", 2**15), ("int32", 2**31), ("float64", 1)])
def test_kinds_of_numbers_are_scaled_as_files_are(kind, scale):
    waveform = check_waveform((NOISE.astype(np.float64) * scale).astype(kind))
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, NOISE, atol=1 / 2**15)


def test_no_samples_are_no_mistake_of_a_chunk():
    assert check_waveform([]).shape == (0,)


@pytest.mark.parametrize(
    ("audio", "line"),
    [
        (np.zeros((16_000, 2)), r"shape \(16000, 2\) has channels; average them: audio.mean\(axis=1\)"),
        (np.zeros((2, 16_000)), r"shape \(2, 16000\) has channels; average them: audio.mean\(axis=0\)"),
        (np.float32(1), r"shape \(\); give"),
        (b"RIFF", r"shape \(\); give"),
        (np.array([0.1, np.nan]), "not finite"),
        (np.array([-np.inf]), "not finite"),
        (np.zeros(100, np.uint8), "type uint8; give floats, int16 or int32"),
    ],
)
def test_unusable_waveform_gets_one_line(audio, line):
    with pytest.raises(ValueError, match=line) as error:
        check_waveform(audio)
    assert "\n" not in str(error.value)
