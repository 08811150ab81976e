"""An exported file as a classifier. Needs NumPy and ONNX Runtime, and soundfile where it is given a file of audio."""

import json
from math import ceil, gcd
from pathlib import Path

import numpy as np
import onnxruntime

from sercore.deployment.recording import checked, pieces

PARSED = ("labels", "sample_rate", "max_seconds", "corpora", "synthetic", "scores", "parameters")  # those that are JSON
PASSBAND = 0.913  # of the lower Nyquist frequency, as in soxr's high quality, with which training reads other rates


class EmotionClassifier:
    """Tells the emotion of speech, with a file of `export_onnx` or `quantize`.

    >>> classifier = EmotionClassifier("model.onnx")  # doctest: +SKIP
    >>> classifier.predict("voice.wav")  # doctest: +SKIP
    {'anger': 0.05, 'happiness': 0.11, 'neutral': 0.71, 'sadness': 0.13}

    Audio is one waveform (samples,), a batch (batch, samples) whose shorter rows end in zeros, or a file. Numbers are
    floats of any level, int16 or int32. Silence at both ends is trimmed; what is then longer than `max_seconds` is cut.

    Attributes:
        labels: the emotions, in the order of the probabilities.
        metadata: all that the file says about itself: corpora, scores, license and so on.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        """Loads a file.

        Args:
            path: of the ONNX file.
            threads: processor threads of one prediction; None leaves it to ONNX Runtime.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a whole ONNX file, or none with what `export_onnx` writes into it.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; write it with sercore.deployment.export_onnx.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's have no common base of their own
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it ({reason}).") from None
        told = self._session.get_modelmeta().custom_metadata_map
        missing = [name for name in ("labels", "sample_rate", "max_seconds") if name not in told]
        if missing:
            raise ValueError(f"{path}: its metadata lacks {', '.join(missing)}; export the model with sercore.")
        self.metadata = {name: json.loads(text) if name in PARSED else text for name, text in told.items()}
        self.labels = tuple(self.metadata["labels"])

    def predict(self, audio, sample_rate: float = 16_000) -> dict[str, float]:
        """The probability of each label for one waveform or file.

        Raises:
            ValueError: as `probabilities`, or a batch.
        """
        found = self.probabilities(audio, sample_rate)
        if found.ndim == 2:
            raise ValueError("predict takes one waveform; for a batch use probabilities.")
        return dict(zip(self.labels, found.tolist(), strict=True))

    def probabilities(self, audio, sample_rate: float = 16_000) -> np.ndarray:
        """Probabilities in the order of `labels`.

        Args:
            audio: waveform (samples,), batch (batch, samples) or file. Channels are averaged only for a file.
            sample_rate: of an array, in Hz; other rates than 16 kHz are converted here. A file tells its own.

        Returns:
            (labels,) for a waveform or file, (batch, labels) for a batch; float32.

        Raises:
            ValueError: nothing to hear, numbers that are not finite, channels, or another shape or type.
        """
        if isinstance(audio, (str, Path)):
            audio, sample_rate = read(audio)
        waveform = checked(audio)
        rate = self.metadata["sample_rate"]
        if sample_rate != rate:
            waveform = _converted(waveform, sample_rate, rate)
        (found,) = self._session.run(["probabilities"], {"waveform": np.atleast_2d(waveform)})
        return found if waveform.ndim == 2 else found[0]


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Reads a file with soundfile, its channels averaged.

    Returns:
        float32 (samples,) and their rate in Hz.

    Raises:
        as `pieces`.
    """
    chunks, rate = pieces(path, 0)
    return np.concatenate([*chunks]), rate


def _converted(waveform: np.ndarray, rate: float, target: int) -> np.ndarray:
    """Another rate, row by row: filtering a row of a batch would fill the zeros that end it."""
    if not 0 < rate < float("inf"):
        raise ValueError(f"sample_rate is {rate}; give it in Hz.")
    if waveform.ndim == 1:
        return _resampled(waveform, round(rate), target)
    rows = [_resampled(np.trim_zeros(row, "b") if row.any() else row, round(rate), target) for row in waveform]
    batch = np.zeros((len(rows), max(map(len, rows))), np.float32)
    for place, row in zip(batch, rows, strict=True):
        place[: len(row)] = row
    return batch


def _resampled(waveform: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Bandlimited conversion through the spectrum.

    The waveform is followed by at least 50 ms of silence, as a spectrum takes its end for what comes before its start,
    and filled up to whole periods of both rates in a number that Fourier transforms are fast for.
    """
    up, down = target // gcd(rate, target), rate // gcd(rate, target)
    periods = ceil((len(waveform) + rate / 20) / down)
    step = 2 ** max(0, periods.bit_length() - 4)
    periods = ceil(periods / step) * step
    spectrum = np.fft.rfft(waveform, periods * down)[: periods * min(up, down) // 2 + 1]
    share = np.linspace(0, 1, len(spectrum))  # of the lower Nyquist frequency
    spectrum *= np.cos(np.pi / 2 * np.clip((share - PASSBAND) / (1 - PASSBAND), 0, 1)) ** 2
    converted = np.fft.irfft(spectrum, periods * up)[: ceil(len(waveform) * up / down)]
    return (converted * (up / down)).astype(np.float32)
