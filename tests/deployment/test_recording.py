"""Audio piece by piece: what is read, and one line, with the second, for what is not."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from sercore.data import read_audio
from sercore.deployment.recording import PIECE, pieces, resampler, waveform

RATE = 16_000  # Hz
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, 5 * RATE).astype(np.float32)


def whole(audio, rate: float = RATE) -> np.ndarray:
    return np.concatenate(list(pieces(audio, rate)[0]))


def written(path: Path, samples=NOISE, rate: int = RATE, **options) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def changed(path: Path, change) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_file_in_pieces_is_the_file(tmp_path, name):
    path = written(tmp_path / name)
    sizes = [len(piece) for piece in pieces(path, 0)[0]]
    np.testing.assert_allclose(whole(path), read_audio(path), rtol=0, atol=1e-6)
    assert max(sizes) <= PIECE and len(sizes) > 10


def test_file_tells_its_rate_and_its_channels_are_averaged(tmp_path):
    path = written(tmp_path / "six.wav", NOISE.reshape(-1, 5), 44_100, subtype="FLOAT")
    assert pieces(str(path), 16_000)[1] == 44_100
    np.testing.assert_allclose(whole(path), NOISE.reshape(-1, 5).mean(axis=1), atol=1e-7)


def test_waveform_in_pieces_is_the_waveform():
    np.testing.assert_array_equal(whole(NOISE), NOISE)
    assert max(len(piece) for piece in pieces(NOISE, RATE)[0]) == PIECE


@pytest.mark.parametrize(("kind", "scale"), [("int16", 2**15), ("int32", 2**31), ("float64", 1)])
def test_kinds_of_numbers_are_scaled_as_files_are(kind, scale):
    heard = waveform((NOISE.astype(np.float64) * scale).astype(kind))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, NOISE, atol=1 / 2**15)


@pytest.mark.parametrize(
    ("audio", "line"),
    [
        (np.zeros((16_000, 2)), r"shape \(16000, 2\) has channels; average them: audio.mean\(axis=1\)"),
        (np.zeros((2, 16_000)), r"shape \(2, 16000\) has channels; average them: audio.mean\(axis=0\)"),
        (np.float32(1), r"shape \(\); give"),
        (0.1, r"shape \(\); give"),
        (np.array([0.1, np.nan]), "not finite"),
        (np.array([-np.inf]), "not finite"),
        (np.zeros(100, np.uint8), "type uint8; give floats, int16 or int32"),
        (b"RIFF", r"shape \(\); give"),
    ],
)
def test_unusable_waveform_gets_one_line(audio, line):
    with pytest.raises(ValueError, match=line) as error:
        waveform(audio)
    assert "\n" not in str(error.value)


def test_no_samples_are_no_mistake_of_a_chunk():
    assert waveform([]).shape == (0,)


def test_neither_file_nor_waveform_is_said():
    with pytest.raises(TypeError, match="audio is of the type NoneType; give a file"):
        pieces(None, RATE)


def test_wav_shorter_than_its_header_is_refused(tmp_path):
    """libsndfile would read it without a word."""
    path = changed(written(tmp_path / "cut.wav"), lambda content: content[: 44 + 2 * 3 * RATE])
    with pytest.raises(ValueError, match=r"cut.wav: truncated after 3.0 of 5.0 s"):
        pieces(path, RATE)  # before any time is spent on it


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x7FFFFF00])
def test_wav_from_a_pipe_is_read_whole(tmp_path, size):
    """Its writer could not know the length: ffmpeg, arecord and sox put these numbers there."""
    path = changed(written(tmp_path / "pipe.wav"), lambda content: content[:40] + size.to_bytes(4, "little") + content[44:])
    assert len(whole(path)) == len(NOISE)


def test_flac_that_does_not_tell_its_length_is_refused(tmp_path):
    """The number of samples is the last 36 bits before byte 26; 0 where the writer did not know it (RFC 9639, 8.2)."""
    path = changed(written(tmp_path / "pipe.flac"), lambda content: content[:21] + bytes([content[21] & 0xF0, 0, 0, 0, 0]) + content[26:])
    with pytest.raises(ValueError, match="pipe.flac: does not tell its length; convert it: ffmpeg -i pipe.flac"):
        pieces(path, RATE)


@pytest.mark.parametrize("name", ["bad.flac", "bad.ogg"])
def test_damage_in_the_middle_is_placed(tmp_path, name):
    """The bytes from the middle of the file on are others; it is 5 s long."""
    garbage = np.random.default_rng(1).bytes(5000)
    path = changed(written(tmp_path / name), lambda content: content[: len(content) // 2] + garbage + content[len(content) // 2 + 5000 :])
    with pytest.raises(ValueError, match=f"{name}: (damaged, cannot be decoded|truncated) after [123]\\.. ") as error:
        whole(path)
    assert "\n" not in str(error.value)


def test_cut_flac_is_refused(tmp_path):
    path = changed(written(tmp_path / "cut.flac"), lambda content: content[: len(content) * 6 // 10])
    with pytest.raises(ValueError, match=r"cut.flac: .* after 2\.. "):
        whole(path)


def test_number_that_is_not_finite_is_placed(tmp_path):
    samples = NOISE.copy()
    samples[3 * RATE] = np.nan
    with pytest.raises(ValueError, match=r"nan.wav: holds values that are not finite after 2\.. s"):
        whole(written(tmp_path / "nan.wav", samples, subtype="FLOAT"))


@pytest.mark.parametrize(("content", "line"), [(b"only text\n" * 100, "cannot be decoded"), (b"", "cannot be decoded")])
def test_what_is_no_audio_is_refused_at_once(tmp_path, content, line):
    (tmp_path / "text.wav").write_bytes(content)
    with pytest.raises(ValueError, match=f"text.wav: {line}"):
        pieces(tmp_path / "text.wav", RATE)


def test_empty_and_absent_files_are_said(tmp_path):
    with pytest.raises(ValueError, match="empty.wav: holds no audio"):
        whole(written(tmp_path / "empty.wav", NOISE[:0]))
    with pytest.raises(FileNotFoundError, match="absent.wav: no such file"):
        pieces(tmp_path / "absent.wav", RATE)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_converted_as_by_soxr_at_once(rate):
    stream = resampler(rate, RATE)
    converted = [stream.resample_chunk(NOISE[start : start + 999]) for start in range(0, len(NOISE), 999)]
    converted.append(stream.resample_chunk(NOISE[:0], last=True))
    np.testing.assert_allclose(np.concatenate(converted), soxr.resample(NOISE, rate, RATE), atol=1e-6)


def test_rate_needs_no_conversion_or_is_possible():
    assert resampler(16_000.0, RATE) is None
    for rate in (0, -8000, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sample_rate is .*; give it in Hz"):
            resampler(rate, RATE)


def test_missing_libraries_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(ModuleNotFoundError, match="files of audio need soundfile: pip install soundfile"):
        pieces(tmp_path / "any.wav", RATE)
    with pytest.raises(ModuleNotFoundError, match="other rates than 16000 Hz need soxr: pip install soxr"):
        resampler(48_000, RATE)
