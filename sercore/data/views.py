"""Views of an utterance that keep its emotion and destroy what else a network could learn: sentence, voice, room.

A content view changes what is said and how fast, a channel view what lies between mouth and microphone. Together they
hold the paper's augmentations (section III-B) as far as a spectrogram of peak-normalised audio shows them: pitch, by
speed, at a fifth of a phase vocoder's cost, and noise.
"""

from collections.abc import Callable

import numpy as np
import soxr
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from sercore.audio_files import SAMPLE_RATE
from sercore.data.preprocessing import PEAK

SPEEDS = (0.86, 1.16)  # slowest, fastest
PIECES = (2, 4)  # fewest, most
TILT_DB = (-3.0, 3.0)  # per octave, 0 at 1 kHz
ROOM_SECONDS = (0.1, 0.5)  # until a reverberation has faded by 60 dB
REVERBERATION = (0.2, 0.8)  # its amplitude against the sound itself
NOISE_DB = (8.0, 40.0)  # signal to noise
NOISE_SLOPE = (0.0, 2.0)  # exponent of 1/f in recorded noise, white to brown


def change_speed(waveform: np.ndarray, random: np.random.Generator, speeds: tuple = SPEEDS) -> np.ndarray:
    """Stretches or compresses time and pitch together."""
    return soxr.resample(waveform, SAMPLE_RATE * random.uniform(*speeds), SAMPLE_RATE)


def shuffle_pieces(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cuts an utterance at random places and puts the pieces together in another order."""
    margin = len(waveform) // 8
    cuts = np.sort(random.integers(margin, len(waveform) - margin, random.integers(PIECES[0], PIECES[1] + 1) - 1))
    return np.concatenate(random.permutation(np.array([*np.split(waveform, cuts), None], object)[:-1]))


def tilt(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Raises or lowers the spectrum by some decibels an octave."""
    slope_db = random.uniform(*TILT_DB)
    return _shape(waveform, lambda frequencies: 10 ** (slope_db * np.log2(frequencies / 1000) / 20))


def add_room(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Adds the reverberation of a room: noise that fades exponentially."""
    place = np.arange(round(random.uniform(*ROOM_SECONDS) * SAMPLE_RATE))
    echo = random.standard_normal(len(place)) * 10 ** (-3 * place / len(place))
    echo *= random.uniform(*REVERBERATION) / np.linalg.norm(echo)
    echo[0] = 1.0
    return fftconvolve(waveform, echo.astype(np.float32))[: len(waveform)]


def add_noise(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Adds coloured noise. Pre-emphasis, which lies behind, has turned a power of f^-s into f^(2-s)."""
    slope = 2 - random.uniform(*NOISE_SLOPE)
    noise = _shape(random.standard_normal(len(waveform), np.float32), lambda frequencies: frequencies ** (slope / 2))
    ratio = 10 ** (-random.uniform(*NOISE_DB) / 20)
    return waveform + noise * ratio * np.linalg.norm(waveform) / max(np.linalg.norm(noise), 1e-9)


CONTENT = ((change_speed, 0.7), (shuffle_pieces, 0.4))  # each with its probability
CHANNEL = ((tilt, 0.5), (add_room, 0.25), (add_noise, 0.5))


def draw_view(waveform: np.ndarray, seed: tuple[int, ...], changes: tuple = CONTENT + CHANNEL) -> np.ndarray:
    """Draws one view of an utterance; its length changes with its speed.

    Args:
        waveform: float32 (samples,) at 16 kHz, preprocessed.
        seed: fixes the draw, such as (run's seed, epoch, utterance's number).
        changes: functions of waveform and generator, each with its probability, in this order.

    Returns:
        float32 (samples,) whose largest absolute value is `PEAK`; silence stays as it is.
    """
    random, view = np.random.default_rng(seed), waveform
    for change, probability in changes:
        if random.random() < probability:
            view = change(view, random)
    peak = np.abs(view).max()
    return (view * (PEAK / peak if peak > 0 else 1)).astype(np.float32)


def _shape(waveform: np.ndarray, gains: Callable) -> np.ndarray:
    size = next_fast_len(len(waveform), real=True)
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 50)
    return irfft(rfft(waveform, size) * gains(frequencies).astype(np.float32), size)[: len(waveform)]
