"""Audio files: what is read, whole or in pieces, and one line for what is not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercore.audio_files import (
    LONGEST_WHOLE,
    PIECE,
    PROVED,
    RATES,
    SAMPLE_RATE,
    open_audio,
    read_audio,
    read_duration,
    resample,
    resampler,
)

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


def is_taken(path: Path, content: bytes) -> bool:
    """Whether bytes that are no whole file are read as one; if not, one line names the file."""
    path.write_bytes(content)
    try:
        read_audio(path)
    except ValueError as error:
        line = str(error)
    else:
        return True
    assert line.startswith(f"{path}: ") and "\n" not in line
    return False


def writable() -> list[tuple[str, str, str]]:
    """Every format, encoding and byte order that libsndfile writes here, but those without a header."""
    found = [
        (kind, code, order)
        for kind in soundfile.available_formats()
        for code in soundfile.available_subtypes(kind)
        for order in ("FILE", "LITTLE", "BIG")
        if soundfile.check_format(kind, code, order)
    ]
    return [row for row in found if row[0] != "RAW" and "DWVW" not in row[1]]  # it does not read the DWVW it writes


@pytest.mark.fault("file cut short, every format and encoding")
@pytest.mark.parametrize("kind", [kind for kind in soundfile.available_formats() if kind != "RAW"])
def test_file_cut_anywhere_is_no_whole_one(tmp_path, kind, count_faults):
    """At 20 places each. What cannot show it (`PROVED`) is refused even where it is whole."""
    path, lost = tmp_path / f"cut.{kind.lower()}", []
    for _, code, order in [row for row in writable() if row[0] == kind]:
        try:
            soundfile.write(path, NOISE[: 3 * SAMPLE_RATE], SAMPLE_RATE, code, order, kind)
        except soundfile.LibsndfileError:  # it has the format, but no encoder
            continue
        content = path.read_bytes()
        assert is_taken(path, content) == (kind in PROVED), (code, order)
        lost += [is_taken(path, content[: len(content) * (2 * place + 1) // 40 + place % 5]) for place in range(20)]
    count_faults(lost)


def split_pages(content: bytes) -> list[bytes]:
    """The pages of an Ogg file (RFC 3533, section 6): 27 bytes, the last of them the number of lengths that follow."""
    pages = []
    while content:
        size = 27 + content[26] + sum(content[27 : 27 + content[26]])
        pages, content = [*pages, content[:size]], content[size:]
    return pages


@pytest.mark.fault("Ogg page missing, double, or changed by one bit")
@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_ogg_page_that_is_not_as_written_is_noticed(tmp_path, name, count_faults):
    path = written(tmp_path / name)
    pages, lost = split_pages(path.read_bytes()), []
    for place, page in enumerate(pages):
        changed_page = page[:-1] + bytes([page[-1] ^ 1])
        for other in (b"", page + page, changed_page):
            lost.append(is_taken(path, b"".join([*pages[:place], other, *pages[place + 1 :]])))
    count_faults(lost)


@pytest.mark.fault("Ogg cut between two pages")
@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_ogg_cut_between_pages_is_noticed(tmp_path, name, count_faults):
    path = written(tmp_path / name)
    pages = split_pages(path.read_bytes())
    count_faults([is_taken(path, b"".join(pages[:place])) for place in range(1, len(pages))])


@pytest.mark.fault("WAV cut short behind long tags")
def test_cut_is_found_behind_long_tags(tmp_path, count_faults):
    """libsndfile's notes on a file end after 2 kB, so that they cannot be what shows it."""
    path = written(tmp_path / "tagged.wav")
    content, lost = path.read_bytes(), []
    for size in (100, 5_000, 50_000):
        tags = b"INFO" + b"".join(b"ICMT" + (100).to_bytes(4, "little") + b"x" * 100 for _ in range(size // 100))
        whole = content[:36] + b"LIST" + len(tags).to_bytes(4, "little") + tags + content[36:]
        whole = whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]
        assert is_taken(path, whole)
        lost += [is_taken(path, whole[:-missing]) for missing in (2, 1_000, 100_000)]
    count_faults(lost)


def without_count(content: bytes) -> bytes:
    """An MP3 without its first frame, which says how many follow: MPEG 2 at 16 kHz, with 72 bytes a kbit/s."""
    rate = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160][content[2] >> 4]
    assert b"Xing" in content[:40] or b"Info" in content[:40]
    return content[72_000 * rate // SAMPLE_RATE + (content[2] >> 1 & 1) :]


@pytest.mark.fault("MP3 that does not count its frames, cut within one")
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_without_a_count_is_whole_where_its_last_frame_is(tmp_path, mode, count_faults):
    """It stays readable, with a tag at either end too. Cut between two frames it is a shorter recording."""
    path = written(tmp_path / "bare.mp3", bitrate_mode=mode, compression_level=0.5)
    content = without_count(path.read_bytes())
    before, after = b"ID3\4\0\0\0\0\1\2" + bytes(130), b"TAG" + bytes(125)
    assert all(is_taken(path, whole) for whole in (content, before + content, content + after))
    count_faults([is_taken(path, content[: len(content) * (2 * place + 1) // 40]) for place in range(20)])


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


@pytest.mark.fault("FLAC that claims 2^36 samples")
def test_flac_that_claims_weeks_is_refused_from_its_header(tmp_path):
    """The 36 bits before byte 26 are all ones (RFC 9639, 8.2): 1,193 hours at 16 kHz."""
    path = written(tmp_path / "weeks.flac")
    changed(path, lambda content: content[:21] + bytes([content[21] | 0x0F]) + b"\xff" * 4 + content[26:])
    for read in (read_duration, open_audio, read_audio):
        with pytest.raises(ValueError, match=r"weeks.flac: too long \(1193 of at most 24 h\); split it"):
            read(path)


@pytest.mark.fault("WAV of an impossible rate")
@pytest.mark.parametrize("rate", [1, 999, 400_001, 2**31 - 1])
def test_rate_that_no_recorder_has_is_refused_from_its_header(tmp_path, rate):
    """Converting 1 Hz to 16 kHz takes 5 GB for 3 s of numbers."""
    path = written(tmp_path / "rate.wav", NOISE, rate)
    for read in (read_duration, open_audio, read_audio):
        with pytest.raises(ValueError, match=rf"rate.wav: impossible sample rate \({rate} Hz; 1000 to 400000 are read"):
            read(path)


@pytest.mark.parametrize("rate", RATES)
def test_rates_at_the_limits_are_read(tmp_path, rate):
    assert len(read_audio(written(tmp_path / "rate.wav", NOISE[:8_000], rate))) == 8_000 * SAMPLE_RATE // rate


def test_what_is_too_long_to_be_held_whole_is_read_in_pieces(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 1_000, 1, "PCM_U8") as file:
        file.write(np.zeros(1_000 * LONGEST_WHOLE + 1_000))
    assert sum(map(len, open_audio(path)[0])) == 1_000 * (LONGEST_WHOLE + 1)
    with pytest.raises(ValueError, match=r"long.wav: too long \(601 of 600 s\); analyze_voice_note takes it"):
        read_audio(path)


def test_samples_without_a_header_are_refused(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"1234")
    with pytest.raises(ValueError, match=r"a.raw: has no header; convert it, or pipe it: sercore predict -"):
        open_audio(tmp_path / "a.raw")


def test_flac_that_does_not_tell_its_length_is_refused(tmp_path):
    """The number of samples is the last 36 bits before byte 26; 0 where the writer did not know it (RFC 9639, 8.2)."""
    path = written(tmp_path / "pipe.flac")
    changed(path, lambda content: content[:21] + bytes([content[21] & 0xF0, 0, 0, 0, 0]) + content[26:])
    for read in (read_duration, open_audio):
        with pytest.raises(ValueError, match=r"pipe.flac: does not tell its length; convert it: ffmpeg -i pipe.flac"):
            read(path)


@pytest.mark.fault("damage in the middle of a file")
@pytest.mark.parametrize("name", ["bad.flac", "bad.ogg"])
def test_damage_in_the_middle_is_placed(tmp_path, name):
    """The bytes from the middle of the file on are others; it is 5 s long."""
    garbage = np.random.default_rng(1).bytes(5000)
    path = written(tmp_path / name)
    changed(path, lambda content: content[: len(content) // 2] + garbage + content[len(content) // 2 + 5000 :])
    with pytest.raises(ValueError, match=rf"{name}: (damaged|truncated) \(.*[123]\.\d") as error:
        read_audio(path)
    assert "\n" not in str(error.value)


@pytest.mark.fault("float WAV with NaN, infinity, or 1e20")
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e20])
def test_number_that_is_not_finite_is_placed(tmp_path, bad):
    samples = NOISE.copy()
    samples[3 * SAMPLE_RATE] = bad
    path = written(tmp_path / "bad.wav", samples, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"bad.wav: holds values that are not finite, or too large \(after 2\.\d s\)"):
        read_audio(path)


@pytest.mark.fault("text, or nothing, named .wav")
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
