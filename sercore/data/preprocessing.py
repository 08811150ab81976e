"""From a recording to the waveform the model sees: the paper's chain (section III-B)."""

from pathlib import Path

import librosa
import numpy as np

TRIM_TOP_DB = 20.0  # dB below the peak under which leading and trailing audio is removed
PRE_EMPHASIS = 0.97  # coefficient a of H(z) = 1 - a z^-1
PEAK = 0.95  # of full scale, after normalisation
MAX_SECONDS = 8.0  # longest input of the model
SILENCE_PEAK = 1e-3  # of full scale (-60 dB); below it there is nothing to normalise
SOURCE = Path(__file__).read_text(encoding="utf-8")  # as loaded; a part of the audio cache's key


def preprocess(waveform: np.ndarray) -> np.ndarray:
    """Trims, pre-emphasises and normalises to `PEAK`, in the paper's order; below `SILENCE_PEAK` silence stays silent.

    Args:
        waveform: float (samples,) at 16 kHz.

    Returns:
        float32 (samples after trimming,) whose largest absolute value is `PEAK`.
    """
    trimmed, _ = librosa.effects.trim(waveform, top_db=TRIM_TOP_DB)
    emphasised = np.append(trimmed[:1], trimmed[1:] - PRE_EMPHASIS * trimmed[:-1])
    peak = np.abs(emphasised).max()
    gain = PEAK / peak if np.abs(waveform).max() >= SILENCE_PEAK and peak > 0 else 1.0
    return (gain * emphasised).astype(np.float32)
