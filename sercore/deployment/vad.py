"""Where somebody speaks, while the recording goes on: Silero's network and its rules, without torch."""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

SAMPLE_RATE = 16_000  # Hz
FRAME = 512  # samples that get one probability
CONTEXT = 64  # samples before a frame that the network hears again
# The package's network for one frame. Its `silero_vad_16k_sequence.onnx` hears many at once: the same bits and segments (on
# 94 s of CREMA-D and RAVDESS), 7 s instead of 13 s per hour of audio. But silero-vad has it only since 6.2.2, this one in
# all of 6.2, and both are small beside the classifier, which takes minutes for that hour.
NETWORK = "silero_vad_16k_op15.onnx"
UNDECIDED = 5.0  # s; at most 0.5 s in 18 min of CREMA-D and RAVDESS, alone and with noise from 20 to -5 dB


class SpeechDetector:
    """Finds the segments that `silero_vad.get_speech_timestamps` finds, each as soon as it is final.

    One rule is added, without which an endless stream could need endless memory: probabilities that fall below `release`
    and then, for `UNDECIDED` seconds, neither stay there nor reach `threshold` end the segment where they fell.
    """

    def __init__(
        self,
        threshold: float = 0.5,
        release: float = 0.35,
        min_speech: float = 0.25,
        min_silence: float = 0.1,
        pad: float = 0.03,
        file: str | Path | None = None,
    ):
        """Loads the network.

        Args:
            threshold: probability at which speech begins.
            release: probability below which it may end.
            min_speech: seconds; what is not longer is dropped.
            min_silence: seconds below `release` that end a segment.
            pad: seconds added at both ends; neighbours nearer than two of them meet at the middle.
            file: `silero_vad_16k_op15.onnx`; None takes it from the installed silero-vad.

        Raises:
            ModuleNotFoundError: neither a file nor silero-vad.
            FileNotFoundError: no such file.
            ValueError: not this network.
        """
        self._session = _session(str(file or packaged()))
        self._threshold, self._release = threshold, release
        self._min_speech, self._min_silence, self._pad = (round(span * SAMPLE_RATE) for span in (min_speech, min_silence, pad))
        self._state, self._context = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)  # less than a frame
        self._heard = 0  # samples in frames
        self._start = self._quiet = None  # where speech began; where it perhaps ended
        self._certain = None  # padded start of speech that is long enough to stay
        self._pending = None  # padded start and unpadded end of a segment whose pad is not sure yet

    def feed(self, samples: np.ndarray) -> list[tuple[int, int]]:
        """Hears more.

        Args:
            samples: float32 (samples,) at 16 kHz, any number of them.

        Returns:
            Start and end, in samples from the beginning, of each segment that became final.
        """
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        return [segment for frame in samples[:whole].reshape(-1, FRAME) for segment in self._hear(frame, FRAME)]

    def finish(self) -> list[tuple[int, int]]:
        """The segments that the end of the recording makes final; zeros fill the last frame."""
        rest = len(self._rest)
        segments = self._hear(np.pad(self._rest, (0, FRAME - rest)), rest) if rest else []
        self._quiet = None  # silence that the end cuts short ends nothing
        segments += self._final()
        if self.ongoing:
            start, end = self.ongoing
            segments.append((start, min(self._heard, end + self._pad)))
        self._start = self._certain = self._pending = None
        return segments

    @property
    def ongoing(self) -> tuple[int, int] | None:
        """Start and least end, in samples, of the segment that is certain but not final."""
        if self._certain is not None:
            return self._certain, self._heard if self._quiet is None else self._quiet
        return self._pending

    @property
    def settled(self) -> int:
        """Sample before which no segment to come begins."""
        if self.ongoing:
            return self.ongoing[0]
        return max(0, (self._heard if self._start is None else self._start) - self._pad)

    def _hear(self, frame: np.ndarray, samples: int) -> list[tuple[int, int]]:
        """Takes in a frame of which `samples` are recorded."""
        heard = np.concatenate([self._context, frame])
        inputs = {"input": heard[None], "state": self._state, "sr": np.array(SAMPLE_RATE)}
        probability, self._state = self._session.run(None, inputs)
        self._context = frame[-CONTEXT:]
        self._judge(float(probability[0, 0]))
        self._heard += samples
        return self._final()

    def _judge(self, probability: float) -> None:
        """The hysteresis of `get_speech_timestamps`, for the frame that begins at `_heard`."""
        if probability >= self._threshold:
            self._quiet = None
            self._start = self._heard if self._start is None else self._start
        elif self._start is not None and (probability < self._release or self._undecided()):
            self._quiet = self._heard if self._quiet is None else self._quiet
            if self._heard - self._quiet >= self._min_silence:
                if self._certain is not None:
                    self._pending = self._certain, self._quiet
                self._start = self._quiet = self._certain = None

    def _undecided(self) -> bool:
        return self._quiet is not None and self._heard - self._quiet >= UNDECIDED * SAMPLE_RATE

    def _final(self) -> list[tuple[int, int]]:
        """The segment before, once it is sure where the next one begins, or that none is near."""
        begin, reached = (self._heard if place is None else place for place in (self._start, self._quiet))
        grown = self._start is not None and self._certain is None and reached - begin > self._min_speech
        pad, segments = self._pad, []
        if self._pending and (grown or begin - self._pending[1] >= 2 * pad):
            start, end = self._pending
            pad = min(pad, (begin - end) // 2)
            segments, self._pending = [(start, end + pad)], None
        if grown:
            self._certain = max(0, begin - pad)
        return segments


class AllSpeech:
    """Stands in for `SpeechDetector` where all of a recording counts as speech."""

    settled = 0

    def __init__(self):
        self.ongoing = None

    def feed(self, samples: np.ndarray) -> list[tuple[int, int]]:
        """Nothing is final before the end."""
        if len(samples):
            self.ongoing = 0, len(samples) + (self.ongoing or (0, 0))[1]
        return []

    def finish(self) -> list[tuple[int, int]]:
        """All that was heard."""
        heard, self.ongoing = self.ongoing, None
        return [heard] if heard else []


def packaged() -> Path:
    """Silero's network in the installed package, which is not imported: it would load torch."""
    package = importlib.util.find_spec("silero_vad")
    if package is None:
        raise ModuleNotFoundError("speech is found with Silero's network: pip install silero-vad, give its file, or use Rules(vad=False).")
    return Path(package.submodule_search_locations[0]) / "data" / NETWORK


@cache
def _session(path: str) -> onnxruntime.InferenceSession:
    """It keeps no state, so that streams share it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; it is {NETWORK} of silero-vad 6.2 or later.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's have no common base of their own
        raise ValueError(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it ({str(error).splitlines()[0]}).") from None
    if {value.name for value in session.get_inputs()} != {"input", "state", "sr"}:
        raise ValueError(f"{path}: is another network; give {NETWORK} of silero-vad.")
    return session
