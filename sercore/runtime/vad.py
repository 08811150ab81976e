"""Where somebody speaks, while the recording goes on: Silero's network and its rules. Places are samples at 16 kHz."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from sercore.audio_files import SAMPLE_RATE
from sercore.runtime.voice_note_settings import DEFAULTS, VoiceNoteSettings

NETWORK = Path(__file__).parent / "silero_vad" / "silero_vad_16k_sequence.onnx"  # of silero-vad 6.2.3 (MIT)
FRAME = 512  # samples that get one probability
CONTEXT = 64  # samples before a frame that the network gets again
STEP = 512  # frames at once, at most: 16 s, a megabyte
USUAL_PEAK = 0.3  # of full scale; speech below a tenth of it is often missed
RISE_DB, LOUD_DB, PERIODIC = 27.0, 20.0, 0.3  # see `resembles_voice`
PERIODS = slice(SAMPLE_RATE // 600, SAMPLE_RATE // 60)  # samples, of voices
UNDECIDED = 5.0  # s; at most 0.5 s in 18 min of CREMA-D and RAVDESS, alone and with noise from 20 to -5 dB


class SileroNetwork:
    """The probability of speech, frame by frame of one recording."""

    def __init__(self):
        self._session, self._context = _load_session(), np.zeros(CONTEXT, np.float32)
        self._h = self._c = np.zeros((1, 1, 128), np.float32)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Takes float32 (frames, FRAME), which follow those of the call before; gives (frames,)."""
        tails = np.vstack([self._context, frames[:, -CONTEXT:]])
        self._context = tails[-1]
        inputs = {"input": np.hstack([tails[:-1], frames]), "h": self._h, "c": self._c}
        probabilities, self._h, self._c = self._session.run(["speech_probs", "hn", "cn"], inputs)
        return probabilities


class SpeechDetector:
    """Finds the segments that `silero_vad.get_speech_timestamps` finds, each as soon as it is final.

    One rule is added, without which an endless stream could need endless memory: probabilities that fall below
    `release` and then, for `UNDECIDED` seconds, neither stay there nor reach `threshold` end the segment at the fall.
    """

    def __init__(self, settings: VoiceNoteSettings = DEFAULTS):
        """Loads the network; of the settings, those from `vad` to `pad` count. Without `vad` all is speech."""
        self._network = SileroNetwork() if settings.vad else lambda frames: np.ones(len(frames))
        self._threshold, self._release = settings.threshold, settings.release
        spans = settings.min_speech if settings.vad else 0, settings.min_silence, settings.pad
        self._min_speech, self._min_silence, self._pad = (round(span * SAMPLE_RATE) for span in spans)
        self._rest = np.zeros(0, np.float32)  # less than a frame
        self._reached = 0  # samples in frames
        self._start = self._quiet = None  # where speech began; where it perhaps ended
        self._certain = None  # padded start of speech that is long enough to stay
        self._pending = None  # padded start and unpadded end of a segment whose pad is not sure yet

    def feed(self, samples: np.ndarray) -> list[tuple[int, int]]:
        """Takes float32 (samples,) at 16 kHz; gives start and end, in samples, of each segment that became final."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        frames, segments = samples[:whole].reshape(-1, FRAME), []
        for start in range(0, len(frames), STEP):
            for probability in self._network(frames[start : start + STEP]):
                segments += self._advance(probability, FRAME)
        return segments

    def finish(self) -> list[tuple[int, int]]:
        """The segments that the end of the recording makes final; zeros fill the last frame."""
        segments = []
        if rest := len(self._rest):
            (probability,) = self._network(np.pad(self._rest, (0, FRAME - rest))[None])
            segments += self._advance(probability, rest)
        self._quiet = None  # silence that the end cuts short ends nothing
        segments += self._release_segments()
        if self.ongoing:
            start, end = self.ongoing
            segments.append((start, min(self._reached, end + self._pad)))
        self._start = self._certain = self._pending = None
        return segments

    @property
    def ongoing(self) -> tuple[int, int] | None:
        """Start and least end, in samples, of the segment that is certain but not final."""
        if self._certain is not None:
            return self._certain, self._reached if self._quiet is None else self._quiet
        return self._pending

    @property
    def settled(self) -> int:
        """Sample before which no segment to come begins."""
        if self.ongoing:
            return self.ongoing[0]
        return max(0, (self._reached if self._start is None else self._start) - self._pad)

    def _advance(self, probability: float, samples: int) -> list[tuple[int, int]]:
        """The hysteresis of `get_speech_timestamps`, for the next frame, of which `samples` are recorded."""
        undecided = self._quiet is not None and self._reached - self._quiet >= UNDECIDED * SAMPLE_RATE
        if probability >= self._threshold:
            self._quiet = None
            self._start = self._reached if self._start is None else self._start
        elif self._start is not None and (probability < self._release or undecided):
            self._quiet = self._reached if self._quiet is None else self._quiet
            if self._reached - self._quiet >= self._min_silence:
                if self._certain is not None:
                    self._pending = self._certain, self._quiet
                self._start = self._quiet = self._certain = None
        self._reached += samples
        return self._release_segments()

    def _release_segments(self) -> list[tuple[int, int]]:
        """The segment before, once it is sure where the next one begins, or that none is near."""
        begin, end = (self._reached if place is None else place for place in (self._start, self._quiet))
        grown = self._certain is None and end - begin > self._min_speech
        pad, segments = self._pad, []
        if self._pending and (grown or begin - self._pending[1] >= 2 * pad):
            start, end = self._pending
            pad = min(pad, (begin - end) // 2)
            segments, self._pending = [(start, end + pad)], None
        if grown:
            self._certain = max(0, begin - pad)
        return segments


def resembles_voice(samples: np.ndarray) -> bool:
    """Whether a recording rises by `RISE_DB` above its background and is periodic where it is loud, as shouts are.

    The shouts of CREMA-D and RAVDESS that the network takes for no speech rise by 29 dB or more, and their periodicity,
    the median over frames within `LOUD_DB` of the loudest, is .44 or more. Noise alone has .15, and music without a
    pause rises by 25 dB. Music with pauses can pass.

    Args:
        samples: float32 (samples,) at 16 kHz.
    """
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(float)
    levels = 10 * np.log10((frames**2).mean(axis=1) + 1e-12)
    if not len(levels) or levels.max() - np.percentile(levels, 10) < RISE_DB:
        return False
    loud = np.diff(frames[levels > levels.max() - LOUD_DB])  # the slope of a spectrum is no period
    correlation = np.fft.irfft(np.abs(np.fft.rfft(loud, 2 * FRAME)) ** 2)
    return bool(np.median(correlation[:, PERIODS].max(axis=1) / (correlation[:, 0] + 1e-12)) >= PERIODIC)


@cache
def _load_session() -> onnxruntime.InferenceSession:
    """It keeps no state, so that streams share it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(NETWORK), options, providers=["CPUExecutionProvider"])
