"""The one reader of audio files and the one resampler. Needs NumPy, soundfile and, for other rates, soxr."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000  # Hz, of all audio behind this module
PIECE = 4_096  # samples read at once, as exact as damage can be placed
# libsndfile reads a file that ends before its header says, and only notes it: in WAV and AIFF as the bytes promised
# and those that are there, in Ogg in words.
SHORT_DATA = re.compile(r"^ ?(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
CUT_OGG = re.compile(r"end-of-stream|junk after the last page", re.IGNORECASE)
NO_LENGTH = 2_000_000_000  # bytes; what a writer to a pipe, who cannot know, puts into a WAV header is above it
UNKNOWN = 2**62  # samples; libsndfile's number for a FLAC file from a pipe is above it
SOURCE = Path(__file__).read_text(encoding="utf-8")  # as loaded; a part of the audio cache's key


def read_audio(path: str | Path) -> np.ndarray:
    """Decodes a file of any rate and number of channels (averaged) to 16 kHz mono, float32 (samples,).

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be decoded, is empty, shorter than its header says, or not finite.
    """
    pieces, rate = open_audio(path)
    return resample(np.concatenate([*pieces]), rate)


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
    if not 0 < rate < float("inf"):
        raise ValueError(f"sample_rate is {rate}; give it in Hz.")
    if rate == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")


def _header(path: str | Path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    if not Path(path).stat().st_size:
        raise ValueError(f"{path}: empty file")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: cannot be decoded ({error.error_string.rstrip('.')})") from None
    if not info.frames:
        raise ValueError(f"{path}: holds no audio")
    if info.frames >= UNKNOWN:
        raise ValueError(f"{path}: does not tell its length; convert it: ffmpeg -i {Path(path).name} other.wav")
    if CUT_OGG.search(info.extra_info):
        raise ValueError(f"{path}: truncated (the end is missing); record or copy it again.")
    if short := SHORT_DATA.search(info.extra_info):
        promised, there = map(int, short.groups())
        if there < promised < NO_LENGTH:
            raise _truncated(path, info.duration, info.duration * promised / max(1, there))
    return info


def _pieces(path: str | Path, frames: int, rate: int) -> Iterator[np.ndarray]:
    reached = 0
    try:
        with soundfile.SoundFile(path) as file:
            while len(piece := file.read(PIECE, dtype="float32", always_2d=True)):
                if not np.isfinite(piece).all():
                    raise ValueError(f"{path}: holds values that are not finite (after {reached / rate:.1f} s)")
                reached += len(piece)
                yield piece.mean(axis=1)
    except soundfile.LibsndfileError:
        raise ValueError(f"{path}: damaged (cannot be decoded after {reached / rate:.1f} s)") from None
    if reached < frames:
        raise _truncated(path, reached / rate, frames / rate)


def _truncated(path: str | Path, there: float, whole: float) -> ValueError:
    return ValueError(f"{path}: truncated ({there:.1f} of {whole:.1f} s are there); record or copy it again.")
