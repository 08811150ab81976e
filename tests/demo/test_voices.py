"""The synthetic voice."""

import numpy as np
import pytest
from scipy.signal import welch

from sercore.demo.voices import MANNERS, draw_voice, express_emotion, speak

RATE = 16_000


def utterance(emotion: str, seed: int = 0, seconds: float = 2.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return speak(draw_voice("female", rng), express_emotion(emotion, 1.0), seconds, RATE, rng)


def high_share_db(waveform: np.ndarray) -> float:
    """Power above 2 kHz relative to that below, in dB."""
    frequency, power = welch(waveform, RATE)
    return 10 * np.log10(power[frequency > 2000].sum() / power[frequency <= 2000].sum())


def test_duration_is_the_one_asked_for():
    assert utterance("anger", seconds=0.75).shape == (12_000,)  # 0.75 s at 16 kHz


def test_waveform_does_not_clip():
    for emotion in MANNERS:
        assert np.abs(utterance(emotion)).max() < 1


def test_anger_is_louder_and_brighter_than_sadness():
    anger, sadness = utterance("anger"), utterance("sadness")
    assert np.abs(anger).max() > np.abs(sadness).max()
    assert high_share_db(anger) > high_share_db(sadness)


def test_women_s_voices_are_higher_than_men_s_on_average():
    rng = np.random.default_rng(0)
    mean = {sex: np.mean([draw_voice(sex, rng).pitch for _ in range(100)]) for sex in ("female", "male")}
    assert mean["female"] > 1.5 * mean["male"]


def test_pitch_is_the_voice_s_own():
    rng = np.random.default_rng(0)
    voice = draw_voice("male", rng)
    frequency, power = welch(speak(voice, express_emotion("neutral", 1.0), 4.0, RATE, rng), RATE, nperseg=4096)
    # Within the contour's few semitones around the mean, the fundamental stands out below 1.5 times the pitch.
    low = (frequency > 50) & (frequency < 1.5 * voice.pitch)
    assert frequency[low][power[low].argmax()] == pytest.approx(voice.pitch, rel=0.25)


@pytest.mark.parametrize(("strength", "emotion"), [(0.0, "neutral"), (1.0, "anger")])
def test_strength_leads_from_neutral_to_the_emotion(strength, emotion):
    assert express_emotion("anger", strength) == MANNERS[emotion]
