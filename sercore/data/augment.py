"""Stochastic augmentation of training utterances (section III-B), each draw seeded by epoch and utterance."""

import random
from contextlib import contextmanager

import audiomentations
import numpy as np

from sercore.data.audio import SAMPLE_RATE

GAIN_DB = (-18.0, 6.0)
NOISE_AMPLITUDE = (0.001, 0.015)  # of full scale
PITCH_SEMITONES = (-2.0, 2.0)
PROBABILITY = 0.5  # of each transform; the paper prints none, this is audiomentations' default

TRANSFORMS = audiomentations.Compose(
    [
        audiomentations.Gain(min_gain_db=GAIN_DB[0], max_gain_db=GAIN_DB[1], p=PROBABILITY),
        audiomentations.AddGaussianNoise(min_amplitude=NOISE_AMPLITUDE[0], max_amplitude=NOISE_AMPLITUDE[1], p=PROBABILITY),
        audiomentations.PitchShift(min_semitones=PITCH_SEMITONES[0], max_semitones=PITCH_SEMITONES[1], p=PROBABILITY),
        audiomentations.PolarityInversion(p=PROBABILITY),
    ]
)


def augment(waveform: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    """Draws one random variant of an utterance.

    Args:
        waveform: float32 array (samples,) at 16 kHz.
        seed: whole numbers that fix the draw, such as (run's seed, epoch, utterance's number), so that it is the
            same in whichever process it happens.

    Returns:
        float32 array (samples,).
    """
    with _seeded(seed):
        return TRANSFORMS(waveform, sample_rate=SAMPLE_RATE)


@contextmanager
def _seeded(seed: tuple[int, ...]):
    """audiomentations draws from the global generators: seed them, then leave them as they were."""
    states = random.getstate(), np.random.get_state()
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
