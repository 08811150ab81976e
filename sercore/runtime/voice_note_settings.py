"""Every number that decides how a voice note is analysed, in one place."""

from dataclasses import dataclass
from math import isfinite
from numbers import Real

AGGREGATES = ("weighted", "mean", "median")
NUMBERS = ("threshold", "release", "min_speech", "min_silence", "pad", "max_pause", "window", "overlap")


@dataclass(frozen=True)
class VoiceNoteSettings:
    """The settings of a voice note. Lengths are rounded to whole samples at 16 kHz.

    Attributes:
        vad: look for speech with Silero's network; False counts all of the recording as speech.
        threshold: probability at which speech begins.
        release: probability below which speech may end; at most `threshold`.
        min_speech: seconds; bursts that are not longer are dropped.
        min_silence: seconds below `release` that end a segment.
        pad: seconds added to both ends of a segment; neighbours nearer than two of them meet at the middle.
        max_pause: seconds; a longer pause between segments ends a passage.
        window: seconds the classifier gets at once, at most.
        overlap: seconds by which a window of a long passage reaches into the one before; less than `window`.
        aggregate: of the windows: "weighted" by their speech, plain "mean", or "median" of each class, renormalised.

    Raises:
        ValueError: a value that cannot be meant.
    """

    vad: bool = True
    threshold: float = 0.5
    release: float = 0.35
    min_speech: float = 0.25
    min_silence: float = 0.1
    pad: float = 0.03
    max_pause: float = 1.0
    window: float = 8.0
    overlap: float = 0.0
    aggregate: str = "weighted"

    def __post_init__(self):
        self._require("vad", isinstance(self.vad, bool), "True or False")
        for name in NUMBERS:
            number = getattr(self, name)
            real = isinstance(number, Real) and not isinstance(number, bool) and isfinite(number)
            self._require(name, real and number >= 0, "a number, 0 or more")
        self._require("threshold", 0 < self.threshold <= 1, "a probability above 0")
        self._require("release", 0 < self.release <= self.threshold, f"above 0, at most threshold ({self.threshold})")
        self._require("window", self.window >= 0.1, "at least 0.1 s")
        self._require("overlap", self.overlap <= self.window - 0.1, f"0.1 s less than window ({self.window} s) at most")
        self._require("aggregate", self.aggregate in AGGREGATES, f"one of {', '.join(AGGREGATES)}")

    def _require(self, name: str, met: bool, wanted: str) -> None:
        if not met:
            raise ValueError(f"VoiceNoteSettings: {name} is {getattr(self, name)!r}; give {wanted}.")


DEFAULTS = VoiceNoteSettings()
