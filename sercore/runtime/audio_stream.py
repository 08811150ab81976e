"""Audio as it comes, a file, a waveform or chunks, piece by piece, so that its length does not matter."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from sercore.audio_files import LOUDEST, PIECE, open_audio

FULL_SCALE = {"int16": 2**15, "int32": 2**31}


def split_audio(audio, sample_rate: float) -> tuple[Iterable, float]:
    """Waveforms one after the other and their rate in Hz; raises as `open_audio`, and a TypeError for anything else.

    Args:
        audio: file, waveform (samples,) or iterable of waveforms.
        sample_rate: of a waveform, in Hz; that of a file is in the file.
    """
    if isinstance(audio, str | Path):
        return open_audio(audio)
    if hasattr(audio, "__array__"):
        audio = np.asarray(audio)
        return np.split(audio, range(PIECE, len(audio), PIECE)) if audio.ndim == 1 else [audio], sample_rate
    if isinstance(audio, Iterable):
        return audio, sample_rate
    raise TypeError(f"audio is {type(audio).__name__}; give a file, a waveform or an iterable of waveforms.")


def check_waveform(samples) -> np.ndarray:
    """Float32 (samples,) from floats of any level, int16 or int32; none at all are no mistake.

    Raises:
        ValueError: channels, another shape or type, or numbers that are not finite or above `LOUDEST`.
    """
    samples = np.asarray(samples)
    shape, kind = samples.shape, samples.dtype
    if len(shape) == 2:
        raise ValueError(f"audio of the shape {shape} has channels; average them: audio.mean(axis={np.argmin(shape)}).")
    if len(shape) != 1:
        raise ValueError(f"audio has the shape {shape}; give waveforms (samples,).")
    if kind.kind != "f" and kind.name not in FULL_SCALE:
        raise ValueError(f"audio is of the type {kind}; give floats, int16 or int32.")
    waveform = (samples / FULL_SCALE.get(kind.name, 1)).astype(np.float32)
    if not np.abs(waveform).max(initial=0) <= LOUDEST:
        raise ValueError("audio holds values that are not finite, or above 1e10.")
    return waveform


def read_raw(stream) -> Iterator[np.ndarray]:
    """Int16 (samples,) from a binary stream of raw little-endian samples, as they arrive."""
    rest = b""
    while data := stream.read1(2 * PIECE):
        data = rest + data
        yield np.frombuffer(data, "<i2", len(data) // 2)
        rest = data[len(data) // 2 * 2 :]
