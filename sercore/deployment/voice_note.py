"""A voice note, from any length of audio: where somebody speaks, what the classifier hears there, and what it comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from sercore.deployment.classifier import EmotionClassifier
from sercore.deployment.recording import pieces, resampler, waveform
from sercore.deployment.rules import Rules
from sercore.deployment.vad import SAMPLE_RATE, AllSpeech, SpeechDetector

BLOCK_SECONDS = 0.512  # heard at once, whatever chunks come, so that the answer does not depend on them; 16 frames of Silero


@dataclass(frozen=True, eq=False)
class VoiceNote:
    """What was heard.

    Attributes:
        seconds: of the recording.
        segments: speech; columns start, end (seconds).
        windows: what the classifier heard; columns start, end (seconds), speech (share of the window, 0..1), weight
            (seconds of speech that no earlier window has heard) and the probability of each label.
        probabilities: the aggregate of the windows, by label; None where nobody speaks.
        label: the most probable one; None where nobody speaks.
        certainty: 1 - entropy / log(labels) of `probabilities`: 0 where all are equal, 1 where one is sure; NaN where
            nobody speaks.
        agreement: share of the speech, by weight, whose window has this label; NaN where nobody speaks.
    """

    seconds: float
    segments: pd.DataFrame
    windows: pd.DataFrame
    probabilities: dict[str, float] | None
    label: str | None
    certainty: float
    agreement: float

    @property
    def speech_seconds(self) -> float:
        """Length of all segments together."""
        return float((self.segments["end"] - self.segments["start"]).sum())

    def as_dict(self) -> dict:
        """Plain data that JSON can hold; None for what is NaN here."""
        plain = {name: getattr(self, name) for name in ("seconds", "speech_seconds", "label", "probabilities", "certainty", "agreement")}
        plain = {name: None if value != value else value for name, value in plain.items()}
        return plain | {name: getattr(self, name).to_dict("records") for name in ("segments", "windows")}


class VoiceNoteStream:
    """Hears a voice note while it is recorded; holds about the last two windows of it, however long it goes on.

    >>> stream = VoiceNoteStream(EmotionClassifier("model.onnx"))  # doctest: +SKIP
    >>> for chunk in microphone:  # doctest: +SKIP
    ...     for window in stream.feed(chunk):
    ...         print(window)
    >>> note = stream.finish()  # doctest: +SKIP
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        sample_rate: float = SAMPLE_RATE,
        rules: Rules = Rules(),
        vad_file: str | Path | None = None,
    ):
        """Prepares to hear.

        Args:
            classifier: for the windows.
            sample_rate: of the chunks to come, in Hz; other rates than 16 kHz are converted with soxr.
            rules: see `Rules`.
            vad_file: Silero's `silero_vad_16k_op15.onnx`; None takes it from the installed package silero-vad.

        Raises:
            ModuleNotFoundError: silero-vad is not installed, no file is given, and `rules.vad` is True.
            ValueError: an impossible rate, or a window longer than the model hears at once.
        """
        limit = classifier.metadata["max_seconds"]
        if rules.window > limit:
            raise ValueError(f"Rules: window is {rules.window} s; this model hears at most {limit} s at once.")
        self._classifier, self._rules = classifier, rules
        settings = {name: getattr(rules, name) for name in ("threshold", "release", "min_speech", "min_silence", "pad")}
        self._detector = SpeechDetector(**settings, file=vad_file) if rules.vad else AllSpeech()
        self._rate, self._resampler = sample_rate, resampler(sample_rate, SAMPLE_RATE)
        self._window, overlap, self._max_pause = (round(span * SAMPLE_RATE) for span in (rules.window, rules.overlap, rules.max_pause))
        self._hop = self._window - overlap
        self._waiting, self._fed, self._finished = np.zeros(0, np.float32), 0, False  # at the rate of the chunks
        self._audio, self._origin = np.zeros(0, np.float32), 0  # what is kept at 16 kHz, and the position of its first sample
        self._passage, self._next, self._classified = None, 0, 0  # start and end so far; next window; end of the last
        self._segments, self._rows = [], []

    @property
    def seconds(self) -> float:
        """Of audio fed so far."""
        return self._fed / self._rate

    def feed(self, samples) -> list[dict]:
        """Hears more.

        Args:
            samples: one waveform (samples,), of any length: floats, int16 or int32.

        Returns:
            The windows that this completed, as rows of `VoiceNote.windows`.

        Raises:
            ValueError: channels, another type, numbers that are not finite, or the note is finished. Nothing is heard.
        """
        if self._finished:
            raise ValueError("this voice note is finished; begin another VoiceNoteStream.")
        heard, samples = len(self._rows), waveform(samples)
        waiting = np.concatenate([self._waiting, samples])
        block = max(1, round(BLOCK_SECONDS * self._rate))
        whole = len(waiting) // block * block
        for start in range(0, whole, block):
            self._hear(waiting[start : start + block])
        self._waiting = waiting[whole:].copy()
        self._fed += len(samples)
        return self._rows[heard:]

    def finish(self) -> VoiceNote:
        """The note, with the windows that only its end completes.

        Raises:
            ValueError: nothing was fed.
        """
        if not self._fed:
            raise ValueError("there is no audio: the voice note is empty.")
        if not self._finished:
            self._hear(self._waiting, last=True)
            self._end_passage()
            self._finished = True
        return _note((self._origin + len(self._audio)) / SAMPLE_RATE, self._segments, self._rows, self._classifier.labels, self._rules)

    def _hear(self, block: np.ndarray, last: bool = False) -> None:
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
        if self._passage and self._detector.settled - self._passage[1] > self._max_pause:
            self._end_passage()
        self._forget(max(self._passage[0], self._classified - self._window) if self._passage else self._detector.settled)

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
        """What its windows have not heard gets one that ends with it."""
        if self._passage and self._classified < self._passage[1]:
            first, last = self._passage
            self._classify(max(first, last - self._window), last)
        self._passage = None

    def _classify(self, start: int, end: int) -> None:
        fresh = max(start, self._classified)
        place = {"start": start / SAMPLE_RATE, "end": end / SAMPLE_RATE}
        share = {"speech": self._speech(start, end) / (end - start), "weight": self._speech(fresh, end) / SAMPLE_RATE}
        audio = self._audio[start - self._origin : end - self._origin]
        found = self._classifier.probabilities(audio, SAMPLE_RATE).tolist()
        self._rows.append(place | share | dict(zip(self._classifier.labels, found, strict=True)))
        self._classified = end

    def _speech(self, start: int, end: int) -> int:
        """Samples of speech between two positions, of which the later is no later than what is certain."""
        ongoing = [self._detector.ongoing] if self._detector.ongoing else []
        overlaps = 0
        for first, last in chain(ongoing, reversed(self._segments)):
            if last <= start:
                break
            overlaps += max(0, min(last, end) - max(first, start))
        return overlaps

    def _forget(self, position: int) -> None:
        self._audio = self._audio[position - self._origin :]
        self._origin = position


def analyze_voice_note(
    audio,
    classifier: EmotionClassifier,
    sample_rate: float = SAMPLE_RATE,
    rules: Rules = Rules(),
    vad_file: str | Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> VoiceNote:
    """Where somebody speaks in a recording, what the classifier hears there, and what it comes to.

    Args:
        audio: a file that libsndfile reads, of any rate and number of channels (averaged); a waveform (samples,); or
            waveforms one after the other. Files and iterables are never held whole.
        classifier: for the windows.
        sample_rate: of a waveform, in Hz. A file tells its own.
        rules: see `Rules`.
        vad_file: as for `VoiceNoteStream`.
        progress: is told the seconds heard so far.

    Raises:
        FileNotFoundError: no such file.
        ModuleNotFoundError: as for `VoiceNoteStream`, or what reads and converts files is not installed.
        ValueError: as for `VoiceNoteStream`, or a file that is damaged, shorter than its header says, or empty.
    """
    chunks, rate = pieces(audio, sample_rate)
    stream = VoiceNoteStream(classifier, rate, rules, vad_file)
    for chunk in chunks:
        stream.feed(chunk)
        if progress:
            progress(stream.seconds)
    return stream.finish()


def aggregate(probabilities: np.ndarray, weights: np.ndarray, how: str) -> np.ndarray:
    """One distribution from those of all windows.

    Args:
        probabilities: (windows, labels).
        weights: (windows,); only "weighted" uses them.
        how: one of the aggregates of `Rules`.

    Returns:
        (labels,), with the sum 1.
    """
    if how == "weighted":
        return np.average(probabilities, axis=0, weights=weights)
    if how == "mean":
        return probabilities.mean(axis=0)
    middle = np.median(probabilities, axis=0)
    return middle / middle.sum() if middle.any() else probabilities.mean(axis=0)


def certainty(probabilities: np.ndarray) -> float:
    """1 - entropy / log(labels): 0 where all of (labels,) are equal, 1 where one is sure."""
    possible = probabilities[probabilities > 0]
    return float(1 + (possible * np.log(possible)).sum() / np.log(len(probabilities)))


def _note(seconds: float, segments: list, rows: list[dict], labels: tuple[str, ...], rules: Rules) -> VoiceNote:
    spans = pd.DataFrame(np.reshape(segments, (-1, 2)) / SAMPLE_RATE, columns=["start", "end"])
    windows = pd.DataFrame(rows, columns=["start", "end", "speech", "weight", *labels], dtype=float)
    if not rows:
        return VoiceNote(seconds, spans, windows, None, None, float("nan"), float("nan"))
    heard, weights = windows[list(labels)].to_numpy(), windows["weight"].to_numpy()
    total = aggregate(heard, weights, rules.aggregate)
    agreement = weights[heard.argmax(axis=1) == total.argmax()].sum() / weights.sum()
    probabilities = dict(zip(labels, total.tolist(), strict=True))
    return VoiceNote(seconds, spans, windows, probabilities, labels[total.argmax()], certainty(total), float(agreement))
