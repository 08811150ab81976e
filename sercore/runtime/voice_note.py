"""A voice note, from any length of audio: where somebody speaks, the emotion of each window, and what it comes to."""

from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np

from sercore.audio_files import SAMPLE_RATE, resampler
from sercore.runtime.audio_stream import check_waveform, split_audio
from sercore.runtime.vad import USUAL_PEAK, SpeechDetector, resembles_voice
from sercore.runtime.voice_note_settings import DEFAULTS, VoiceNoteSettings

SILENCE_PEAK = 1e-3  # of full scale (-60 dB)
BLOCK_SECONDS = 0.512  # taken at once, whatever chunks come, so that the result does not depend on them; 16 VAD frames


@dataclass(frozen=True, eq=False)
class VoiceNote:
    """What was found in a recording. Where nobody speaks there are no windows, and what comes of them is None or NaN.

    A window is a dict: start, end (seconds), speech (share of the window, 0..1), weight (seconds of speech that are in
    no earlier window) and the probability of each label.
    """

    seconds: float  # of the recording
    segments: np.ndarray  # speech, float64 (segments, 2): start and end in seconds
    windows: list[dict]  # what was classified
    probabilities: dict[str, float] | None = None  # the aggregate of the windows, by label
    label: str | None = None  # the most probable one
    certainty: float = nan  # 1 - entropy / log(labels) of `probabilities`: 0 where all are equal, 1 where one is sure
    agreement: float = nan  # share of the speech, by weight, whose window has this label
    assumed: bool = False  # no speech was found, but what is loud resembles a voice, so that all of it was classified

    @property
    def speech_seconds(self) -> float:
        """Length of all segments together."""
        return float((self.segments[:, 1] - self.segments[:, 0]).sum())

    def as_dict(self) -> dict:
        """Plain data that JSON can hold; None for what is NaN here."""
        names = ("seconds", "speech_seconds", "label", "probabilities", "certainty", "agreement", "assumed")
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

    Args:
        classifier: an `EmotionClassifier`, for the windows.
        sample_rate: of the chunks to come, in Hz; other rates than 16 kHz are converted.
        settings: see `VoiceNoteSettings`.

    Raises:
        ValueError: an impossible rate, or a window longer than the model takes at once.
    """

    def __init__(self, classifier, sample_rate: float = SAMPLE_RATE, settings: VoiceNoteSettings = DEFAULTS):
        if settings.window > (limit := classifier.metadata["max_seconds"]):
            raise ValueError(f"window is {settings.window} s; this model takes at most {limit} s at once.")
        self._classifier, self._settings = classifier, settings
        self._detector = SpeechDetector(settings)
        self._rate, self._resampler = sample_rate, resampler(sample_rate)
        spans = settings.window, settings.overlap, settings.max_pause
        self._window, self._overlap, self._max_pause = (round(span * SAMPLE_RATE) for span in spans)
        self._waiting, self._fed, self._note = np.zeros(0, np.float32), 0, None  # at the rate of the chunks
        self._audio, self._origin = np.zeros(0, np.float32), 0  # kept at 16 kHz, and the position of its first sample
        self._passage, self._covered = None, 0  # its start and end; end of its last window, at first its start
        self._segments, self._rows = [], []
        self._silent = [] if settings.retry else None  # the recording so far, while it is short and nobody speaks

    @property
    def seconds(self) -> float:
        """Of audio fed so far."""
        return self._fed / self._rate

    def feed(self, samples) -> list[dict]:
        """Takes more audio and gives the windows that it completed, as in `VoiceNote.windows`.

        Args:
            samples: one waveform (samples,), of any length: floats, int16 or int32.

        Raises:
            ValueError: channels, another type, not finite, or the note is finished. The note stays as it was.
        """
        if self._note:
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
        if self._note:
            return self._note
        self._process(self._waiting, last=True)
        seconds = (self._origin + len(self._audio)) / SAMPLE_RATE
        segments, labels = np.reshape(self._segments, (-1, 2)) / SAMPLE_RATE, self._classifier.labels
        if not self._rows:
            self._note = self._try_again() or VoiceNote(seconds, segments, [])
            return self._note
        windows = np.array([[row[label] for label in labels] for row in self._rows])
        weights = np.array([row["weight"] for row in self._rows])
        total = aggregate_windows(windows, weights, self._settings.aggregate)
        agreement = float(weights[windows.argmax(axis=1) == total.argmax()].sum() / weights.sum())
        probabilities, label = dict(zip(labels, total.tolist(), strict=True)), labels[total.argmax()]
        self._note = VoiceNote(seconds, segments, self._rows, probabilities, label, measure_certainty(total), agreement)
        return self._note

    def _try_again(self) -> VoiceNote | None:
        """What a short recording holds at a usual peak; else all of it, where it resembles a voice; else None."""
        audio = np.concatenate(self._silent or [self._audio[:0]])
        peak, settings = np.abs(audio).max(initial=0), replace(self._settings, retry=0.0)
        if SILENCE_PEAK <= peak < USUAL_PEAK:
            note = analyze_voice_note(audio * (USUAL_PEAK / peak), self._classifier, settings=settings)
            if note.windows:
                return note
        everything = {"classifier": self._classifier, "settings": replace(settings, vad=False)}
        return replace(analyze_voice_note(audio, **everything), assumed=True) if resembles_voice(audio) else None

    def _process(self, block: np.ndarray, last: bool = False) -> None:
        """Finds speech in a block, classifies the windows that this completes, and drops audio that none will need."""
        if self._resampler:
            block = self._resampler.resample_chunk(block, last=last)
        self._audio = np.concatenate([self._audio, block])
        segments = self._detector.feed(block) + (self._detector.finish() if last else [])
        self._segments += segments
        if self._silent is not None:
            self._silent.append(block)
            seconds = (self._origin + len(self._audio)) / SAMPLE_RATE
            if self._segments or self._detector.ongoing or seconds > self._settings.retry:
                self._silent = None
        ongoing, settled, windows = self._detector.ongoing, self._detector.settled, []
        for start, end in [*segments, ongoing] if ongoing else segments:
            windows += self._end_passage(start) + self._extend_passage(start, end)
        windows += self._end_passage(inf if last else settled)
        for window in windows:
            self._classify(*window)
        if not last:
            keep = max(self._passage[0], self._covered - self._window) if self._passage else settled
            self._audio, self._origin = self._audio[keep - self._origin :], keep

    def _extend_passage(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """The windows that speech from `start` to `end` at least completes: start, end of the one before, and end."""
        if not self._passage:
            self._covered = start
        first = self._passage[0] if self._passage else start
        self._passage, windows = (first, end), []
        while (begin := max(first, self._covered - self._overlap)) + self._window <= end:
            windows.append((begin, self._covered, begin + self._window))
            self._covered = begin + self._window
        return windows

    def _end_passage(self, position: float) -> list[tuple[int, int, int]]:
        """Where speech that goes on at `position` is too late for the passage: the window for what none covers yet."""
        if not self._passage or position - self._passage[1] <= self._max_pause:
            return []
        (start, end), self._passage = self._passage, None
        return [(max(start, end - self._window), self._covered, end)] if self._covered < end else []

    def _classify(self, start: int, covered: int, end: int) -> None:
        """Adds the window from `start` to `end`; speech before `covered` is in earlier ones."""
        spans = np.array([*self._segments, self._detector.ongoing or (0, 0)])
        speech, fresh = (int(np.diff(spans.clip(first, end)).sum()) for first in (start, covered))
        place = {"start": start / SAMPLE_RATE, "end": end / SAMPLE_RATE}
        share = {"speech": speech / (end - start), "weight": fresh / SAMPLE_RATE}
        audio = self._audio[start - self._origin : end - self._origin]
        self._rows.append(place | share | self._classifier.predict(audio))


def analyze_voice_note(
    audio, classifier, sample_rate: float = SAMPLE_RATE, settings: VoiceNoteSettings = DEFAULTS, progress=None
) -> VoiceNote:
    """Where somebody speaks in a recording, the emotion of each window, and what it comes to.

    Args:
        audio: a file that libsndfile reads, of any rate and number of channels (averaged); a waveform (samples,); or
            waveforms one after the other. Files and iterables are never held whole.
        classifier: an `EmotionClassifier`, for the windows.
        sample_rate: of a waveform, in Hz. That of a file is in the file.
        settings: see `VoiceNoteSettings`.
        progress: a function, called with the seconds analysed so far.

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
    """One distribution (labels,), with the sum 1, from those of all windows.

    Args:
        probabilities: (windows, labels).
        weights: (windows,); only "weighted" uses them.
        how: one of `AGGREGATES`.
    """
    if how == "median" and (medians := np.median(probabilities, axis=0)).any():  # all 0 they say nothing
        return medians / medians.sum()
    return np.average(probabilities, axis=0, weights=weights if how == "weighted" else None)


def measure_certainty(probabilities: np.ndarray) -> float:
    """1 - entropy / log(labels): 0 where all of (labels,) are equal, 1 where one is sure."""
    possible = probabilities[probabilities > 0]
    return float(1 + (possible * np.log(possible)).sum() / np.log(len(probabilities)))
