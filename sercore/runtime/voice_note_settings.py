"""Every number that decides how a voice note is analysed, in one place."""

from dataclasses import dataclass, fields
from math import inf
from numbers import Real

AGGREGATES = ("weighted", "mean", "median")


@dataclass(frozen=True)
class VoiceNoteSettings:
    """The settings of a voice note; a ValueError for a value that cannot be meant.

    Lengths are in seconds and are rounded to whole samples at 16 kHz.
    """

    vad: bool = True  # look for speech with Silero's network; False counts all of the recording as speech
    threshold: float = 0.5  # probability at which speech begins
    release: float = 0.35  # probability below which speech may end; at most `threshold`
    min_speech: float = 0.25  # bursts that are not longer are dropped
    min_silence: float = 0.1  # time below `release` that ends a segment
    pad: float = 0.03  # added to both ends of a segment; neighbours nearer than two of them meet at the middle
    max_pause: float = 1.0  # a longer pause between segments ends a passage
    window: float = 8.0  # what the classifier gets at once, at most
    overlap: float = 0.0  # of a window of a long passage with the one before; less than `window`
    retry: float = 30.0  # the longest recording that is looked at again where these rules find no speech in it
    aggregate: str = "weighted"  # of the windows: by their speech, plain "mean", or renormalised "median" of each class

    def __post_init__(self):
        self._require("vad", isinstance(self.vad, bool), "True or False")
        for name in [field.name for field in fields(self) if field.type is float]:
            number = getattr(self, name)
            real = isinstance(number, Real) and not isinstance(number, bool)
            self._require(name, real and 0 <= number < inf, "a number, 0 or more")
        self._require("threshold", 0 < self.threshold <= 1, "a probability above 0")
        self._require("release", 0 < self.release <= self.threshold, f"above 0, at most threshold ({self.threshold})")
        self._require("window", self.window >= 0.1, "at least 0.1 s")
        self._require("overlap", self.overlap <= self.window - 0.1, f"0.1 s less than window ({self.window} s) at most")
        self._require("aggregate", self.aggregate in AGGREGATES, f"one of {', '.join(AGGREGATES)}")

    def _require(self, name: str, met: bool, wanted: str) -> None:
        if not met:
            raise ValueError(f"VoiceNoteSettings: {name} is {getattr(self, name)!r}; give {wanted}.")


DEFAULTS = VoiceNoteSettings()
