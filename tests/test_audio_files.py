"""Audio files: what is read, whole or in pieces, and one line for what is not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercore.audio_files import PIECE, SAMPLE_RATE, open_audio, read_audio, read_duration, resample, resampler

NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, 5 * SAMPLE_RATE).astype(np.float32)
TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def written(path: Path, samples=NOISE, rate: int = SAMPLE_RATE, **options) -> Path:
    if path.suffix == ".opus":
        options = {"format": "OGG", "subtype": "OPUS"}
    soundfile.write(path, samples, rate, **options)
    return path


def changed(path: Path, change) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.ogg", "a.opus", "a.mp3"])
def test_formats_are_read_whole_and_in_pieces_alike(tmp_path, name):
    path = written(tmp_path / name)
    pieces, rate = open_audio(path)
    pieces = list(pieces)
    assert rate == SAMPLE_RATE and max(map(len, pieces)) <= PIECE and len(pieces) > 10
    np.testing.assert_array_equal(np.concatenate(pieces), read_audio(path))
    assert read_duration(path) == pytest.approx(5, abs=0.1)  # an MP3 is padded to whole frames


def test_channels_are_averaged(tmp_path):
    path = written(tmp_path / "stereo.wav", np.stack([TONE, np.zeros_like(TONE)], axis=1))
    np.testing.assert_allclose(read_audio(path), TONE / 2, atol=1e-4)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_any_rate_becomes_16_khz(tmp_path, rate):
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    read = read_audio(written(tmp_path / "tone.wav", tone, rate))
    assert read.dtype == np.float32 and abs(len(read) - SAMPLE_RATE) <= 1
    np.testing.assert_allclose(read[1000:-1000], TONE[1000 : len(read) - 1000], atol=2e-3)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("size", [999, PIECE])
def test_resampled_in_pieces_or_at_once_the_samples_are_the_same(rate, size):
    """So that a classifier given a file and a voice note made of it see the same samples."""
    stream = resampler(rate)
    pieces = [stream.resample_chunk(NOISE[start : start + size]) for start in range(0, len(NOISE), size)]
    pieces.append(stream.resample_chunk(NOISE[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(pieces), resample(NOISE, rate))


def test_a_rate_needs_no_conversion_or_is_possible():
    assert resampler(16_000.0) is None
    for rate in (0, -8000, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"sample_rate is .*; give it in Hz"):
            resampler(rate)


@pytest.mark.parametrize("name", ["cut.wav", "cut.aiff", "cut.ogg", "cut.opus"])
def test_cut_file_is_refused_from_its_header(tmp_path, name):
    """libsndfile would read it without a word."""
    path = changed(written(tmp_path / name), lambda content: content[: len(content) * 6 // 10])
    for read in (read_duration, open_audio, read_audio):
        with pytest.raises(ValueError, match=rf"{name}: truncated \(.*\); record or copy it again"):
            read(path)


def test_cut_wav_says_how_much_is_there(tmp_path):
    path = changed(written(tmp_path / "cut.wav"), lambda content: content[: 44 + 2 * 3 * SAMPLE_RATE])
    with pytest.raises(ValueError, match=r"truncated \(3.0 of 5.0 s are there\)"):
        read_audio(path)


def test_cut_flac_is_refused(tmp_path):
    """Its header still promises the whole length."""
    path = changed(written(tmp_path / "cut.flac"), lambda content: content[: len(content) * 6 // 10])
    with pytest.raises(ValueError, match=r"cut.flac: (damaged|truncated) \(.*2\.\d"):
        read_audio(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x7FFFFF00])
def test_wav_from_a_pipe_is_read_whole(tmp_path, size):
    """Its writer could not know the length: ffmpeg, arecord and sox put these numbers there."""
    path = written(tmp_path / "pipe.wav")
    changed(path, lambda content: content[:40] + size.to_bytes(4, "little") + content[44:])
    assert len(read_audio(path)) == len(NOISE)
    assert read_duration(path) == 5


def test_flac_that_does_not_tell_its_length_is_refused(tmp_path):
    """The number of samples is the last 36 bits before byte 26; 0 where the writer did not know it (RFC 9639, 8.2)."""
    path = written(tmp_path / "pipe.flac")
    changed(path, lambda content: content[:21] + bytes([content[21] & 0xF0, 0, 0, 0, 0]) + content[26:])
    for read in (read_duration, open_audio):
        with pytest.raises(ValueError, match=r"pipe.flac: does not tell its length; convert it: ffmpeg -i pipe.flac"):
            read(path)


@pytest.mark.parametrize("name", ["bad.flac", "bad.ogg"])
def test_damage_in_the_middle_is_placed(tmp_path, name):
    """The bytes from the middle of the file on are others; it is 5 s long."""
    garbage = np.random.default_rng(1).bytes(5000)
    path = written(tmp_path / name)
    changed(path, lambda content: content[: len(content) // 2] + garbage + content[len(content) // 2 + 5000 :])
    with pytest.raises(ValueError, match=rf"{name}: (damaged|truncated) \(.*[123]\.\d") as error:
        read_audio(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_number_that_is_not_finite_is_placed(tmp_path, bad):
    samples = NOISE.copy()
    samples[3 * SAMPLE_RATE] = bad
    path = written(tmp_path / "bad.wav", samples, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"bad.wav: holds values that are not finite \(after 2\.\d s\)"):
        read_audio(path)


@pytest.mark.parametrize(("content", "line"), [(b"text\n" * 99, r"cannot be decoded \(.*\)"), (b"", "empty file")])
def test_what_is_no_audio_is_refused(tmp_path, content, line):
    (tmp_path / "text.wav").write_bytes(content)
    for read in (read_duration, open_audio, read_audio):
        with pytest.raises(ValueError, match=f"text.wav: {line}$"):
            read(tmp_path / "text.wav")


def test_header_without_audio_and_absent_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"empty.wav: holds no audio"):
        read_audio(written(tmp_path / "empty.wav", NOISE[:0]))
    with pytest.raises(FileNotFoundError, match=r"absent.wav: no such file"):
        open_audio(tmp_path / "absent.wav")
