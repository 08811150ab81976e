"""An exported file as a classifier."""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime

from sercore.audio_files import LONGEST_WHOLE, SAMPLE_RATE, read_audio, resample
from sercore.runtime.audio_stream import check_waveform

# Metadata without which a file cannot be used, and the form of each.
REQUIRED = {"labels": r'\["[^"]+"(, *"[^"]+")*\]', "sample_rate": str(SAMPLE_RATE), "max_seconds": r"\d+(\.\d+)?"}
# What no exported file has, as a file spells it (protobuf: field, length, text).
FOREIGN = {b'"\x04Loop': "a Loop, which may never end", b"\n\x08location": "weights in another file"}
ROUNDING = 1e-3  # of a sum of probabilities
PARSED = (*REQUIRED, "corpora", "synthetic", "scores", "speakers", "parameters")  # metadata that is JSON


class EmotionClassifier:
    """Predicts the emotion of speech, with a file of `export_onnx` or `quantize`.

    >>> classifier = EmotionClassifier("model.onnx")  # doctest: +SKIP
    >>> classifier.predict("voice.wav")  # doctest: +SKIP
    {'anger': 0.05, 'happiness': 0.11, 'neutral': 0.71, 'sadness': 0.13}

    Audio is one waveform (samples,), a batch (batch, samples) whose shorter rows end in zeros, or a file. Numbers are
    floats of any level, int16 or int32. Silence at both ends is trimmed; what is then longer than `max_seconds` is cut.

    Args:
        path: of the ONNX file.
        threads: processor threads of one prediction; None leaves it to ONNX Runtime.

    Attributes:
        labels: the emotions, in the order of the probabilities.
        metadata: all that the file says about itself: corpora, scores, license and so on.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a whole ONNX file, none with what `export_onnx` writes into it, or one that may never end.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; write it with `sercore export`.")
        self._path, content, options = path, Path(path).read_bytes(), onnxruntime.SessionOptions()
        if found := [what for sign, what in FOREIGN.items() if sign in content]:
            raise ValueError(f"{path}: has {found[0]}; export the model with sercore.")
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's have no common base of their own
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it ({reason}).") from None
        texts = self._session.get_modelmeta().custom_metadata_map
        if missing := [name for name, form in REQUIRED.items() if not re.fullmatch(form, texts.get(name, ""))]:
            raise ValueError(f"{path}: its metadata lacks {', '.join(missing)} (usable ones); export it with sercore.")
        try:
            self.metadata = {name: json.loads(text) if name in PARSED else text for name, text in texts.items()}
        except ValueError as error:
            raise ValueError(f"{path}: its metadata is no JSON ({error}); export the model with sercore.") from None
        self.labels = tuple(self.metadata["labels"])
        shapes = {output.name: output.shape[-1] for output in self._session.get_outputs() if output.shape}
        if shapes.get("probabilities") != len(self.labels):
            raise ValueError(f"{path}: does not give one probability for each label; export the model with sercore.")

    def predict(self, audio, sample_rate: float = SAMPLE_RATE) -> dict[str, float]:
        """The probability of each label for one waveform or file; raises as `probabilities` does, and for a batch."""
        found = self.probabilities(audio, sample_rate)
        if found.ndim == 2:
            raise ValueError("predict takes one waveform; for a batch use probabilities.")
        return dict(zip(self.labels, found.tolist(), strict=True))

    def probabilities(self, audio, sample_rate: float = SAMPLE_RATE) -> np.ndarray:
        """Probabilities in the order of `labels`: (labels,) for a waveform or file, (batch, labels); float32.

        Args:
            audio: waveform (samples,), batch (batch, samples) or file. Channels are averaged only for a file.
            sample_rate: of an array, in Hz; other rates than 16 kHz are converted here. That of a file is in the file.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no audio, numbers that are not finite, channels, another shape or type, a damaged file, or a
                model whose weights are damaged.
        """
        batch = _as_batch(audio, sample_rate)
        if not batch.size:
            raise ValueError("there is no audio: the waveform is empty.")
        if batch.shape[1] > LONGEST_WHOLE * SAMPLE_RATE:
            raise ValueError(f"audio is longer than {LONGEST_WHOLE} s; analyze_voice_note takes any length.")
        (found,) = self._session.run(["probabilities"], {"waveform": batch})
        if not ((found >= 0).all() and np.allclose(found.sum(axis=1), 1, atol=ROUNDING)):  # nor where they are NaN
            raise ValueError(f"{self._path}: its probabilities do not add up to 1; its weights are damaged.")
        return found if np.ndim(audio) == 2 else found[0]


def _as_batch(audio, sample_rate: float) -> np.ndarray:
    """Float32 (batch, samples) at 16 kHz."""
    if isinstance(audio, str | Path):
        return read_audio(audio)[None]
    audio = np.asarray(audio)
    if audio.ndim != 2 or 0 < audio.shape[1] < len(audio):  # more rows than samples are channels
        return resample(check_waveform(audio), sample_rate)[None]
    batch = check_waveform(audio.ravel()).reshape(audio.shape)
    if sample_rate == SAMPLE_RATE or not len(batch):
        return batch
    # Without the zeros that end a row, as filtering would fill them.
    rows = [resample(np.trim_zeros(row, "b") if row.any() else row, sample_rate) for row in batch]
    longest = max(map(len, rows))
    return np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
