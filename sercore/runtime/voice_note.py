"""A voice note, from any length of audio: where somebody speaks, the emotion of each window, and what it comes to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sercore.audio_files import SAMPLE_RATE, resampler
from sercore.runtime.audio_stream import check_waveform, split_audio
from sercore.runtime.classifier import EmotionClassifier
from sercore.runtime.vad import SpeechDetector
from sercore.runtime.voice_note_settings import DEFAULTS, VoiceNoteSettings

BLOCK_SECONDS = 0.512  # taken at once, whatever chunks come, so that the result does not depend on them; 16 VAD frames


@dataclass(frozen=True, eq=False)
class VoiceNote:
    """What was found in a recording.

    Attributes:
        seconds: of the recording.
        segments: speech, float64 (segments, 2): start and end in seconds.
        windows: what was classified, a dict each: start, end (seconds), speech (share of the window, 0..1), weight
            (seconds of speech that are in no earlier window) and the probability of each label.
        probabilities: the aggregate of the windows, by label; None where nobody speaks.
        label: the most probable one; None where nobody speaks.
        certainty: 1 - entropy / log(labels) of `probabilities`: 0 where all are equal, 1 where one is sure; NaN where
            nobody speaks.
        agreement: share of the speech, by weight, whose window has this label; NaN where nobody speaks.
    """

    seconds: float
    segments: np.ndarray
    windows: list[dict]
    probabilities: dict[str, float] | None = None
    label: str | None = None
    certainty: float = float("nan")
    agreement: float = float("nan")

    @property
    def speech_seconds(self) -> float:
        """Length of all segments together."""
        return float((self.segments[:, 1] - self.segments[:, 0]).sum())

    def as_dict(self) -> dict:
        """Plain data that JSON can hold; None for what is NaN here."""
        names = ("seconds", "speech_seconds", "label", "probabilities", "certainty", "agreement")
        plain = {name: getattr(self, name) for name in names}
        plain = {name: None if value != value else value for name, value in plain.items()}
        segments = [{"start": start, "end": end} for start, end in self.segments.tolist()]
        return plain | {"segments": segments, "windows": [dict(window) for window in self.windows]}


class VoiceNoteStream:
    """Analyses a voice note while it is recorded; holds about the last two windows of it, however long it goes on.

    >>> stream = VoiceNoteStream(EmotionClassifier("model.onnx"))  # doctest: +SKIP
    >>> for chunk in microphone:  # doctest: +SKIP
    ...     print(*stream.feed(chunk))
    >>> note = stream.finish()  # doctest: +SKIP
    """

    def __init__(self, classifier, sample_rate: float = SAMPLE_RATE, settings: VoiceNoteSettings = DEFAULTS):
        """Begins a note.

        Args:
            classifier: an `EmotionClassifier`, for the windows.
            sample_rate: of the chunks to come, in Hz; other rates than 16 kHz are converted.
            settings: see `VoiceNoteSettings`.

        Raises:
            ValueError: an impossible rate, or a window longer than the model takes at once.
        """
        limit = classifier.metadata["max_seconds"]
        if settings.window > limit:
            raise ValueError(f"window is {settings.window} s; this model takes at most {limit} s at once.")
        self._classifier, self._settings = classifier, settings
        self._detector = SpeechDetector(settings)
        self._rate, self._resampler = sample_rate, resampler(sample_rate)
        spans = settings.window, settings.overlap, settings.max_pause
        self._window, overlap, self._max_pause = (round(span * SAMPLE_RATE) for span in spans)
        self._hop = self._window - overlap
        self._waiting, self._fed, self._finished = np.zeros(0, np.float32), 0, False  # at the rate of the chunks
        self._audio, self._origin = np.zeros(0, np.float32), 0  # kept at 16 kHz, and the position of its first sample
        self._passage, self._next, self._classified = None, 0, 0  # its start and end; next window; end of the last
        self._segments, self._rows = [], []

    @property
    def seconds(self) -> float:
        """Of audio fed so far."""
        return self._fed / self._rate

    def feed(self, samples) -> list[dict]:
        """Takes more audio.

        Args:
            samples: one waveform (samples,), of any length: floats, int16 or int32.

        Returns:
            The windows that this completed, as in `VoiceNote.windows`.

        Raises:
            ValueError: channels, another type, numbers that are not finite, or the note is finished. The note stays
                as it was.
        """
        if self._finished:
            raise ValueError("this voice note is finished; begin another VoiceNoteStream.")
        known, samples = len(self._rows), check_waveform(samples)
        waiting = np.concatenate([self._waiting, samples])
        block = max(1, round(BLOCK_SECONDS * self._rate))
        whole = len(waiting) // block * block
        for start in range(0, whole, block):
            self._process(waiting[start : start + block])
        self._waiting = waiting[whole:].copy()
        self._fed += len(samples)
        return self._rows[known:]

    def finish(self) -> VoiceNote:
        """The note, with the windows that only its end completes; a ValueError where nothing was fed."""
        if not self._fed:
            raise ValueError("there is no audio: the voice note is empty.")
        if not self._finished:
            self._process(self._waiting, last=True)
            self._end_passage()
            self._finished = True
        seconds = (self._origin + len(self._audio)) / SAMPLE_RATE
        segments, labels = np.reshape(self._segments, (-1, 2)) / SAMPLE_RATE, self._classifier.labels
        if not self._rows:
            return VoiceNote(seconds, segments, [])
        windows = np.array([[row[label] for label in labels] for row in self._rows])
        weights = np.array([row["weight"] for row in self._rows])
        total = aggregate_windows(windows, weights, self._settings.aggregate)
        agreement = float(weights[windows.argmax(axis=1) == total.argmax()].sum() / weights.sum())
        probabilities, label = dict(zip(labels, total.tolist(), strict=True)), labels[total.argmax()]
        return VoiceNote(seconds, segments, self._rows, probabilities, label, measure_certainty(total), agreement)

    def _process(self, block: np.ndarray, last: bool = False) -> None:
        if self._resampler:
            block = self._resampler.resample_chunk(block, last=last)
        self._audio = np.concatenate([self._audio, block])
        segments = self._detector.feed(block)
        for segment in segments + (self._detector.finish() if last else []):
            self._segments.append(segment)
            self._extend(*segment)
        if last:
            return
        if self._detector.ongoing:
            self._extend(*self._detector.ongoing)
        settled = self._detector.settled
        if self._passage and settled - self._passage[1] > self._max_pause:
            self._end_passage()
        keep = max(self._passage[0], self._classified - self._window) if self._passage else settled
        self._audio, self._origin = self._audio[keep - self._origin :], keep

    def _extend(self, start: int, end: int) -> None:
        """Speech goes on from `start` to `end` at least, in the passage or, after a long pause, in a new one."""
        if self._passage and start - self._passage[1] > self._max_pause:
            self._end_passage()
        if not self._passage:
            self._next = start
        self._passage = (self._passage[0] if self._passage else start), end
        while self._next + self._window <= end:
            self._classify(self._next, self._next + self._window)
            self._next += self._hop

    def _end_passage(self) -> None:
        """What none of its windows covers gets one that ends with it."""
        if self._passage and self._classified < self._passage[1]:
            first, last = self._passage
            self._classify(max(first, last - self._window), last)
        self._passage = None

    def _classify(self, start: int, end: int) -> None:
        fresh = max(start, self._classified)
        place = {"start": start / SAMPLE_RATE, "end": end / SAMPLE_RATE}
        share = {"speech": self._speech(start, end) / (end - start), "weight": self._speech(fresh, end) / SAMPLE_RATE}
        audio = self._audio[start - self._origin : end - self._origin]
        self._rows.append(place | share | self._classifier.predict(audio))
        self._classified = end

    def _speech(self, start: int, end: int) -> int:
        """Samples of speech between two positions, of which the later is no later than what is certain."""
        known = [*self._segments, self._detector.ongoing or (0, 0)]
        return sum(max(0, min(last, end) - max(first, start)) for first, last in known)


def analyze_voice_note(
    audio,
    classifier: EmotionClassifier,
    sample_rate: float = SAMPLE_RATE,
    settings: VoiceNoteSettings = DEFAULTS,
    progress: Callable[[float], None] | None = None,
) -> VoiceNote:
    """Where somebody speaks in a recording, the emotion of each window, and what it comes to.

    Args:
        audio: a file that libsndfile reads, of any rate and number of channels (averaged); a waveform (samples,); or
            waveforms one after the other. Files and iterables are never held whole.
        classifier: for the windows.
        sample_rate: of a waveform, in Hz. That of a file is in the file.
        settings: see `VoiceNoteSettings`.
        progress: called with the seconds analysed so far.

    Raises:
        FileNotFoundError: no such file.
        TypeError: `audio` is none of these.
        ValueError: as for `VoiceNoteStream`, or a file that is damaged, shorter than its header says, or empty.
    """
    pieces, rate = split_audio(audio, sample_rate)
    stream = VoiceNoteStream(classifier, rate, settings)
    for piece in pieces:
        stream.feed(piece)
        if progress:
            progress(stream.seconds)
    return stream.finish()


def aggregate_windows(probabilities: np.ndarray, weights: np.ndarray, how: str) -> np.ndarray:
    """One distribution from those of all windows.

    Args:
        probabilities: (windows, labels).
        weights: (windows,); only "weighted" uses them.
        how: one of `AGGREGATES`.

    Returns:
        (labels,), with the sum 1.
    """
    if how == "weighted":
        return np.average(probabilities, axis=0, weights=weights)
    if how == "mean":
        return probabilities.mean(axis=0)
    middle = np.median(probabilities, axis=0)
    return middle / middle.sum() if middle.any() else probabilities.mean(axis=0)


def measure_certainty(probabilities: np.ndarray) -> float:
    """1 - entropy / log(labels): 0 where all of (labels,) are equal, 1 where one is sure."""
    possible = probabilities[probabilities > 0]
    return float(1 + (possible * np.log(possible)).sum() / np.log(len(probabilities)))
