"""The one reader of audio files and the one resampler. Needs NumPy, soundfile and, for other rates, soxr."""

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import calcsize, unpack

import numpy as np
import soundfile

SAMPLE_RATE = 16_000  # Hz, of all audio behind this module
PIECE = 4_096  # samples read at once, as exact as damage can be placed
RATES = (1_000, 400_000)  # Hz, the lowest and the highest that are read; others take gigabytes to convert
LONGEST = 24 * 3600  # s, of a file that is read in pieces
LONGEST_WHOLE = 600  # s, of audio that is held whole
LOUDEST = 1e10  # of full scale; above it squares overflow
# Formats in which a file that ends too early shows it, of those that libsndfile reads.
PROVED = {"AIFF", "AU", "CAF", "FLAC", "HTK", "MP3", "NIST", "OGG", "RF64", "SDS", "SVX", "W64", "WAV", "WAVEX"}
# Containers of chunks: the place of the first one, how a chunk begins (name, length), and what its end is rounded to.
CHUNKS = {b"RIFF": (12, "<4sI", 2), b"RIFX": (12, ">4sI", 2), b"RF64": (12, "<4sI", 2), b"FORM": (12, ">4sI", 2)}
CHUNKS |= {b"caff": (8, ">4sq", 1), b"riff": (40, "<16sq", 8)}  # the last is W64
NO_LENGTH = 2_000_000_000  # bytes; what a writer to a pipe, who cannot know, puts into a WAV header is above it
UNKNOWN = 2**62  # samples or, in 64 bits, bytes; libsndfile's number for a FLAC file from a pipe is above it
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # the checksums of Ogg run the other way round
KBPS = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]  # of an MP3 frame, MPEG version 1
KBPS_2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]  # version 2
SOURCE = Path(__file__).read_text(encoding="utf-8")  # as loaded; a part of the audio cache's key


def read_audio(path: str | Path) -> np.ndarray:
    """Decodes a file of any rate and number of channels (averaged) to 16 kHz mono, float32 (samples,).

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be decoded, is empty, cut, damaged, not finite, of a rate outside `RATES`, or longer than
            `LONGEST_WHOLE`.
    """
    info = _header(path)
    if info.duration > LONGEST_WHOLE:
        raise ValueError(f"{path}: too long ({info.duration:.0f} of {LONGEST_WHOLE} s); analyze_voice_note takes it.")
    waveform = resample(np.concatenate([*_pieces(path, info.frames, info.samplerate)]), info.samplerate)
    if not len(waveform):
        raise ValueError(f"{path}: holds no audio")
    return waveform


def open_audio(path: str | Path) -> tuple[Iterator[np.ndarray], int]:
    """Opens a file to be read piece by piece, so that its length does not matter.

    Returns:
        Pieces, float32 (samples,), channels averaged; and their rate in Hz.

    Raises:
        FileNotFoundError, ValueError: as `read_audio`, damage in the middle while the pieces are read.
    """
    info = _header(path)
    return _pieces(path, info.frames, info.samplerate), info.samplerate


def read_duration(path: str | Path) -> float:
    """Seconds, from the header alone; raises what `read_audio` does, as far as the header shows it."""
    return _header(path).duration


def resample(waveform: np.ndarray, rate: float) -> np.ndarray:
    """Converts float32 (samples,) from any rate in Hz to 16 kHz; the same samples as from `resampler` in pieces."""
    stream = resampler(rate)
    return waveform if stream is None else stream.resample_chunk(np.ascontiguousarray(waveform, np.float32), last=True)


def resampler(rate: float):
    """A `soxr.ResampleStream` from a rate in Hz to 16 kHz; None where that is the rate, ValueError where impossible."""
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"sample_rate is {rate}; give it in Hz, {RATES[0]} to {RATES[1]}.")
    if rate == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")


def _header(path: str | Path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    with open(path, "rb") as file:
        start = file.read(1024)
    if not start:
        raise ValueError(f"{path}: empty file")
    if start.startswith(b"OggS"):
        _check_pages(path)
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: cannot be decoded ({error.error_string.rstrip('.')})") from None
    except TypeError:  # soundfile's, of .raw
        raise ValueError(f"{path}: has no header; convert it, or pipe it: sercore predict - --rate HZ") from None
    if not info.frames:
        raise ValueError(f"{path}: holds no audio")
    if not RATES[0] <= info.samplerate <= RATES[1]:
        raise ValueError(f"{path}: impossible sample rate ({info.samplerate} Hz; {RATES[0]} to {RATES[1]} are read)")
    if info.frames >= UNKNOWN or info.format not in PROVED:
        raise ValueError(f"{path}: does not tell its length; convert it: ffmpeg -i {Path(path).name} other.wav")
    there = whole = 0
    if info.format == "MP3":
        info.frames *= _check_frames(path, info.samplerate)  # else an estimate, which nothing has promised
    elif info.format == "NIST":
        there, whole = info.frames, int((re.search(rb"sample_count -i (\d+)", start) or [0, 0])[1])
    elif info.format == "AU":
        offset, whole = unpack("<II" if start[:1] == b"d" else ">II", start[4:12])
        there = os.path.getsize(path) - offset
    elif start[:4] in CHUNKS:
        there, whole = _measure_chunk(path, *CHUNKS[start[:4]])
    if there < whole < (UNKNOWN if info.format in ("CAF", "RF64", "W64") else NO_LENGTH):
        raise _truncated(path, info.duration, info.duration * whole / max(1, there))
    if info.duration > LONGEST:
        raise ValueError(f"{path}: too long ({info.duration / 3600:.0f} of at most {LONGEST // 3600} h); split it.")
    return info


def _measure_chunk(path: str | Path, place: int, form: str, step: int) -> tuple[int, int]:
    """The bytes of audio that are there, and those that the chunk which holds them promises."""
    size, head, data = os.path.getsize(path), calcsize(form), 0
    with open(path, "rb") as file:
        while place + head <= size:
            file.seek(place)
            name, length = unpack(form, file.read(head))
            if name == b"ds64":
                data = int.from_bytes(file.read(16)[8:], "little")
            if name[:4] in (b"data", b"SSND", b"BODY"):
                return size - place - head, data or length - (head if step == 8 else 0)
            place += max(head, length + (head if step < 8 else 0))
            place += -place % step
    return 0, 0


def _check_pages(path: str | Path) -> None:
    """Every page of an Ogg file is there, whole and in order, up to the last (RFC 3533, section 6)."""
    numbers, last, seconds, rate = {}, False, 0.0, 0
    with open(path, "rb") as file:
        while head := file.read(27):
            sizes = file.read(head[-1])
            body = file.read(sum(sizes))
            if len(head) < 27 or len(sizes) < head[-1] or len(body) < sum(sizes):
                raise _truncated(path, seconds)
            flags, position, stream, number, checksum = unpack("<5xBqIII", head[:26])
            page = (head[:22] + bytes(4) + head[26:] + sizes + body).translate(MIRRORED)
            unchanged = int(f"{zlib.crc32(page, 2**32 - 1) ^ 2**32 - 1:032b}"[::-1], 2) == checksum
            if last or not unchanged or number != numbers.get(stream, number):
                raise ValueError(f"{path}: damaged (after {seconds:.1f} s a page is missing, changed or too many)")
            rate = rate or max(1, int.from_bytes(body[12:16], "little")) if b"vorbis" in body[:8] else rate or 48_000
            numbers[stream], last, seconds = number + 1, flags & 4, max(seconds, position / rate)
    if not last:
        raise _truncated(path, seconds)


def _check_frames(path: str | Path, rate: int) -> bool:
    """The last frame of an MP3 file is whole. Gives whether a header counts all of them, which not each file has."""
    content, frames = Path(path).read_bytes(), 0
    tag = 10 + sum(byte << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
    place = tag if content.startswith(b"ID3") else 0
    counted = any(name in content[place : place + 50] for name in (b"Xing", b"Info"))
    while place + 4 <= len(content):
        head = int.from_bytes(content[place : place + 4], "big")
        version = 1 if head >> 19 & 3 == 3 else 2
        if head >> 21 != 0x7FF or head >> 17 & 3 != 1 or not 0 < (bits := head >> 12 & 15) < 15:
            return counted  # a tag at the end, or what only the decoder can tell
        place += 144_000 // version * (KBPS, KBPS_2)[version - 1][bits] // rate + (head >> 9 & 1)
        frames += 1
    if place != len(content):
        raise _truncated(path, (frames - 1) * 1152 / version / rate)
    return counted


def _pieces(path: str | Path, frames: int, rate: int) -> Iterator[np.ndarray]:
    reached = 0
    try:
        with soundfile.SoundFile(path) as file:
            while len(piece := file.read(PIECE, dtype="float32", always_2d=True)):
                if not np.abs(piece).max() <= LOUDEST:
                    raise ValueError(
                        f"{path}: holds values that are not finite, or too large (after {reached / rate:.1f} s)"
                    )
                reached += len(piece)
                yield piece.mean(axis=1)
    except soundfile.LibsndfileError:
        raise ValueError(f"{path}: damaged (cannot be decoded after {reached / rate:.1f} s)") from None
    if reached < frames:
        raise _truncated(path, reached / rate, frames / rate)


def _truncated(path: str | Path, there: float, whole: float | None = None) -> ValueError:
    length = f"{there:.1f} of {whole:.1f}" if whole else f"{there:.1f}"
    return ValueError(f"{path}: truncated ({length} s are there); record or copy it again.")
