"""Stochastic augmentation of training utterances (section III-B), each draw seeded by epoch and utterance."""

import random

import audiomentations
import numpy as np

from sercore.audio_files import SAMPLE_RATE

GAIN_DB = (-18.0, 6.0)
NOISE_AMPLITUDE = (0.001, 0.015)  # of full scale
PITCH_SEMITONES = (-2.0, 2.0)
PROBABILITY = 0.5  # of each transform; the paper prints none, this is audiomentations' default

TRANSFORMS = audiomentations.Compose(
    [
        audiomentations.Gain(*GAIN_DB, p=PROBABILITY),
        audiomentations.AddGaussianNoise(*NOISE_AMPLITUDE, p=PROBABILITY),
        audiomentations.PitchShift(*PITCH_SEMITONES, p=PROBABILITY),
        audiomentations.PolarityInversion(p=PROBABILITY),
    ]
)


def augment(waveform: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    """Draws one random variant of an utterance, float32 (samples,).

    Args:
        waveform: float32 (samples,) at 16 kHz.
        seed: fixes the draw in whichever process it happens, such as (run's seed, epoch, utterance's number).
    """
    # audiomentations draws from the global generators: seed them, then leave them as they were.
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002
    try:
        return TRANSFORMS(waveform, sample_rate=SAMPLE_RATE)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
