"""A source-filter voice: glottal pulses, formants and noise, coloured by speaker and emotion (Fant, 1960)."""

from dataclasses import astuple, dataclass

import numpy as np
from scipy import fft
from scipy.signal import lfilter

SEXES = {"female": (205.0, 1.16), "male": (118.0, 1.0)}  # mean pitch in Hz, formants relative to the table below
# First three formants in Hz of a man's i, e, a, o, u (Peterson and Barney, 1952).
VOWELS = ((270, 2290, 3010), (530, 1840, 2480), (730, 1090, 2440), (570, 840, 2410), (300, 870, 2240))
HIGHER_FORMANTS = (3500, 4500)  # Hz, the same in every vowel
BANDWIDTHS = (80.0, 110.0, 160.0, 250.0, 350.0)  # Hz, of the five formants
DECLINATION = 2.0  # semitones the pitch falls over an utterance
BURST = 0.1  # noise of a consonant in the loudest speech, relative to the vowels; quiet consonants are less crisp
BURST_SHARE = 0.06  # decay of a consonant's noise, as a share of its syllable
NOISE_FLOOR_DB = -62.0  # room noise below full scale


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds."""

    pitch: float  # semitones above the speaker's mean
    pitch_range: float  # semitones either side of the contour's middle
    rate: float  # syllables per second
    pause: float  # share of a syllable that is silent, on average
    tilt: float  # slope of the glottal spectrum and the lips' radiation in dB per octave
    breath: float  # aspiration noise relative to the pulses
    level_db: float  # peak below full scale


MANNERS = {
    "anger": Manner(3.5, 3.0, 6.0, 0.08, -2.0, 0.05, -3.0),
    "happiness": Manner(4.5, 6.5, 5.0, 0.12, -5.0, 0.05, -6.0),
    "neutral": Manner(0.0, 1.5, 4.2, 0.18, -8.0, 0.05, -14.0),
    "sadness": Manner(-1.5, 0.7, 2.6, 0.40, -12.0, 0.25, -22.0),
    "calm": Manner(-0.5, 1.2, 3.8, 0.22, -9.0, 0.08, -16.0),
    "fear": Manner(5.0, 2.5, 5.5, 0.25, -6.0, 0.30, -12.0),
    "disgust": Manner(-1.0, 2.5, 3.5, 0.25, -5.0, 0.12, -10.0),
    "surprise": Manner(6.0, 7.5, 4.5, 0.15, -6.0, 0.10, -8.0),
    "frustration": Manner(1.5, 2.5, 4.8, 0.15, -5.0, 0.06, -8.0),
}


@dataclass(frozen=True)
class Voice:
    """How a speaker sounds in every emotion."""

    pitch: float  # Hz
    formants: float  # formant frequencies relative to VOWELS
    pitch_range: float  # factor
    rate: float  # factor
    tilt: float  # dB per octave added to the manner's


def draw_voice(sex: str, rng: np.random.Generator) -> Voice:
    """Draws the voice of a "female" or "male" speaker."""
    mean, formants = SEXES[sex]
    pitch, formants = mean * 2 ** (rng.normal(0, 1.8) / 12), formants * rng.normal(1, 0.03)
    return Voice(pitch, formants, *rng.uniform((0.8, 0.9), (1.25, 1.1)), rng.normal(0, 0.8))


def express_emotion(emotion: str, strength: float) -> Manner:
    """Moves from the neutral manner (strength 0) to that of an emotion of MANNERS (1) or beyond."""
    pairs = zip(astuple(MANNERS["neutral"]), astuple(MANNERS[emotion]), strict=True)
    return Manner(*(neutral + strength * (own - neutral) for neutral, own in pairs))


def speak(voice: Voice, manner: Manner, seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Lets a voice speak random syllables at a rate in Hz; returns float (samples,), peak at the manner's level."""
    samples = round(seconds * sample_rate)
    syllable, position = _syllables(voice.rate * manner.rate * seconds, samples, rng)
    semitones = _contour(manner, voice.pitch_range, syllable, rng)
    periods = np.floor(np.cumsum(voice.pitch * 2 ** (semitones / 12)) / sample_rate)
    pulses = np.diff(periods, prepend=0.0)  # one per glottal period
    source = _tilt(pulses + manner.breath * rng.normal(0, pulses.std(), samples), manner.tilt + voice.tilt, sample_rate)
    vowels = [voice.formants * np.array((*vowel, *HIGHER_FORMANTS)) for vowel in VOWELS]
    mouths = np.stack([_resonate(source, formants, sample_rate) for formants in vowels])
    vowel = rng.integers(len(VOWELS), size=syllable[-1] + 1)[syllable]
    mouths /= np.abs(mouths).max(axis=1, keepdims=True)
    speech = mouths[vowel, np.arange(samples)] * _opening(manner.pause, syllable, position, rng)
    level = 10 ** (manner.level_db / 20)
    speech += BURST * level * np.exp(-position / BURST_SHARE) * np.diff(rng.normal(size=samples + 1))
    return level * (speech / np.abs(speech).max()) + 10 ** (NOISE_FLOOR_DB / 20) * rng.normal(size=samples)


def _syllables(count: float, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The syllable of every sample and the position in it, from 0 to 1; both (samples,)."""
    lengths = rng.uniform(0.7, 1.3, max(2, round(count)))
    edges = np.concatenate([[0], np.cumsum(lengths) / lengths.sum()])
    time = np.arange(samples) / samples
    syllable = np.searchsorted(edges, time, side="right") - 1
    return syllable, (time - edges[syllable]) / np.diff(edges)[syllable]


def _contour(manner: Manner, width: float, syllable: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pitch in semitones above the speaker's mean, (samples,)."""
    time = np.linspace(0, 1, len(syllable))
    wave = np.sin(2 * np.pi * (rng.uniform(1, 2) * time + rng.uniform()))
    wave += rng.normal(0, 0.5, syllable[-1] + 1)[syllable]  # accents
    return manner.pitch + DECLINATION * (0.5 - time) + manner.pitch_range * width * wave


def _tilt(signal: np.ndarray, db_per_octave: float, sample_rate: int) -> np.ndarray:
    """Slopes a signal's spectrum, flat below 100 Hz."""
    length = fft.next_fast_len(len(signal), real=True)
    octaves = np.log2(fft.rfftfreq(length, 1 / sample_rate).clip(100.0) / 100.0)
    return fft.irfft(fft.rfft(signal, length) * 10 ** (db_per_octave * octaves / 20), length)[: len(signal)]


def _resonate(source: np.ndarray, formants: np.ndarray, sample_rate: int) -> np.ndarray:
    """Passes a source through one two-pole resonator per formant in Hz."""
    poles = np.ones(1)
    for frequency, bandwidth in zip(formants, BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * bandwidth / sample_rate)
        poles = np.convolve(poles, [1, -2 * radius * np.cos(2 * np.pi * frequency / sample_rate), radius**2])
    return lfilter([1.0], poles, source)


def _opening(pause: float, syllable: np.ndarray, position: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Opens and closes the mouth once per syllable, with a pause after it; from 0 to 1, (samples,)."""
    silent = np.clip(pause * rng.uniform(0.3, 1.7, syllable[-1] + 1), 0, 0.7)[syllable]
    stress = rng.uniform(0.7, 1, syllable[-1] + 1)[syllable]
    return stress * np.sin(np.pi * np.minimum(position / (1 - silent), 1)) ** 0.6
