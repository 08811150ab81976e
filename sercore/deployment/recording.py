"""Audio as it comes: a file, a waveform or chunks, piece by piece, so that its length does not matter."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from sercore.headers import promised_frames

FULL_SCALE = {"int16": 2**15, "int32": 2**31}
PIECE = 4_096  # samples of a file or waveform at once, as exact as damage can be placed
UNKNOWN = 2**62  # samples; libsndfile's number for a FLAC file from a pipe, whose end soundfile does not reach, is above it


def pieces(audio, sample_rate: float) -> tuple[Iterable, float]:
    """Waveforms one after the other, and their rate in Hz.

    Args:
        audio: file, waveform (samples,) or iterable of waveforms.
        sample_rate: of a waveform; a file tells its own.

    Raises:
        FileNotFoundError: no such file.
        ModuleNotFoundError: soundfile is not installed.
        ValueError: what cannot be decoded; while it is read also a file that is damaged, cut short, empty or not finite.
        TypeError: none of these.
    """
    if isinstance(audio, (str, Path)):
        return _opened(audio)
    if hasattr(audio, "__array__"):
        whole = np.ndim(audio) != 1
        return [audio] if whole else (audio[start : start + PIECE] for start in range(0, len(audio), PIECE)), sample_rate
    if not isinstance(audio, Iterable):
        raise TypeError(f"audio is of the type {type(audio).__name__}; give a file, a waveform or an iterable of waveforms.")
    return audio, sample_rate


def waveform(samples) -> np.ndarray:
    """Float32 (samples,), as the classifier takes it, except that no samples are no mistake.

    Raises:
        ValueError: channels, another shape or type, or numbers that are not finite.
    """
    samples = np.asarray(samples)
    if samples.ndim == 2:
        axis = int(np.argmin(samples.shape))
        raise ValueError(f"audio of the shape {samples.shape} has channels; average them: audio.mean(axis={axis}).")
    if samples.ndim != 1:
        raise ValueError(f"audio has the shape {samples.shape}; give waveforms (samples,).")
    return checked(samples) if samples.size else np.zeros(0, np.float32)


def checked(audio) -> np.ndarray:
    """Float32 (samples,) or (batch, samples)."""
    waveform = np.asarray(audio)
    if waveform.ndim not in (1, 2):
        raise ValueError(f"audio has the shape {waveform.shape}; give (samples,) or (batch, samples).")
    if not waveform.size:
        raise ValueError("there is no audio: the waveform is empty.")
    if waveform.ndim == 2 and waveform.shape[0] > waveform.shape[1]:
        raise ValueError(f"audio of the shape {waveform.shape} has channels; average them: audio.mean(axis=1).")
    if waveform.dtype.kind != "f" and waveform.dtype.name not in FULL_SCALE:
        raise ValueError(f"audio is of the type {waveform.dtype}; give floats, int16 or int32.")
    waveform = (waveform / FULL_SCALE.get(waveform.dtype.name, 1)).astype(np.float32)
    if not np.isfinite(waveform).all():
        raise ValueError("audio holds values that are not finite.")
    return waveform


def resampler(rate: float, target: int):
    """A stream from one rate to another, or None where they are the same.

    Raises:
        ModuleNotFoundError: soxr is not installed.
        ValueError: an impossible rate.
    """
    if not 0 < rate < float("inf"):
        raise ValueError(f"sample_rate is {rate}; give it in Hz.")
    return None if rate == target else _library("soxr", f"other rates than {target} Hz").ResampleStream(rate, target, 1, dtype="float32")


def _opened(path: str | Path) -> tuple[Iterator[np.ndarray], int]:
    soundfile = _library("soundfile", "files of audio")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: cannot be decoded ({error.error_string})") from None
    if info.frames >= UNKNOWN:
        raise ValueError(f"{path}: does not tell its length; convert it: ffmpeg -i {Path(path).name} other.wav")
    if promised_frames(info) > info.frames:
        raise _truncated(path, info, info.frames, promised_frames(info))
    return _decoded(path, info, soundfile), info.samplerate


def _decoded(path: str | Path, info, soundfile: ModuleType) -> Iterator[np.ndarray]:
    """Pieces of a file, its channels averaged."""
    reached = 0
    with soundfile.SoundFile(path) as file:
        while True:
            try:
                piece = file.read(PIECE, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                raise ValueError(f"{path}: damaged, cannot be decoded after {reached / info.samplerate:.1f} s") from None
            if not len(piece):
                break
            if not np.isfinite(piece).all():
                raise ValueError(f"{path}: holds values that are not finite after {reached / info.samplerate:.1f} s")
            reached += len(piece)
            yield piece.mean(axis=1)
    if reached < info.frames:
        raise _truncated(path, info, reached, info.frames)
    if not reached:
        raise ValueError(f"{path}: holds no audio")


def _truncated(path: str | Path, info, reached: int, promised: int) -> ValueError:
    there, all_of_it = (samples / info.samplerate for samples in (reached, promised))
    return ValueError(f"{path}: truncated after {there:.1f} of {all_of_it:.1f} s; record or copy it again.")


def _library(name: str, need: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{need} need {name}: pip install {name}.") from None
