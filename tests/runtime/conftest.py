"""Shared by tests of the runtime: speech, a classifier whose predictions differ, a network with known probabilities."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sercore.audio_files import read_audio
from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import export_onnx
from sercore.runtime import EmotionClassifier, vad
from sercore.training import build_classifier

RATE = 16_000  # Hz
EMOTIONS = ("anger", "neutral", "happiness", "neutral", "anger", "happiness")
TURNS = ((3.0, 0.4), (2.5, 1.6), (4.0, 0.2), (6.0, 0.6), (2.0, 2.0), (1.0, 0.0))  # seconds of speech, then of pause


@pytest.fixture(scope="session")
def spoken() -> np.ndarray:
    """Synthetic voices, which Silero's network takes for speech; 18.5 s, with the pauses 23.3 s."""
    rng = np.random.default_rng(0)
    voices = [draw_voice(sex, rng) for sex in ("female", "male")]
    parts = [np.zeros(RATE // 2)]
    for turn, (emotion, (seconds, pause)) in enumerate(zip(EMOTIONS, TURNS, strict=True)):
        speech = speak(voices[turn % 2], express_emotion(emotion, 1.0), seconds, RATE, rng)
        parts += [speech, np.zeros(round(pause * RATE))]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="session")
def really_spoken(real_cremad, real_ravdess) -> np.ndarray:
    """Twenty utterances of CREMA-D and RAVDESS with nearly silent pauses of up to 1.5 s between them."""
    rng = np.random.default_rng(0)
    files = [*sorted(real_cremad.rglob("*_*.*"))[::400][:12], *sorted(real_ravdess.rglob("03-01*"))[::90][:8]]
    pauses = [rng.normal(0, 1e-4, rng.integers(0, 1.5 * RATE)) for _ in files]
    parts = [part for file, pause in zip(files, pauses, strict=True) for part in (read_audio(file), pause)]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """Random weights, large enough that predictions differ from sound to sound."""
    torch.manual_seed(0)
    tiny = build_classifier("tiny")
    with torch.no_grad():
        tiny.classifier.weight.mul_(20)
    return export_onnx(tiny.eval(), tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="session")
def classifier(model) -> EmotionClassifier:
    return EmotionClassifier(model, threads=1)


@pytest.fixture
def marks(monkeypatch):
    """In place of Silero's network: the probability of speech in a frame is its first sample."""
    monkeypatch.setattr(vad, "SileroNetwork", lambda: lambda frames: frames[:, 0])
