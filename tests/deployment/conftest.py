"""What the tests of voice notes share: speech, a classifier whose answers differ, a network whose probabilities are known."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from sercore.data import read_audio
from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment import EmotionClassifier, export_onnx
from sercore.training import build_classifier

RATE = 16_000  # Hz
EMOTIONS = ("anger", "neutral", "happiness", "neutral", "anger", "happiness")
TURNS = ((3.0, 0.4), (2.5, 1.6), (4.0, 0.2), (6.0, 0.6), (2.0, 2.0), (1.0, 0.0))  # seconds of speech, of the pause after it


@pytest.fixture(scope="session")
def spoken() -> np.ndarray:
    """Synthetic voices, which Silero's network takes for speech; 18.5 s with the pauses 23.3 s."""
    rng = np.random.default_rng(0)
    voices = [draw_voice(sex, rng) for sex in ("female", "male")]
    parts = [np.zeros(RATE // 2)]
    for turn, (emotion, (seconds, pause)) in enumerate(zip(EMOTIONS, TURNS, strict=True)):
        parts += [speak(voices[turn % 2], express(emotion, 1.0), seconds, RATE, rng), np.zeros(round(pause * RATE))]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="session")
def really_spoken(real_cremad, real_ravdess) -> np.ndarray:
    """Twenty utterances of CREMA-D and RAVDESS with nearly silent pauses of up to 1.5 s between them."""
    rng = np.random.default_rng(0)
    files = [*sorted(real_cremad.rglob("*_*.*"))[::400][:12], *sorted(real_ravdess.rglob("03-01*"))[::90][:8]]
    parts = [part for file in files for part in (read_audio(file), rng.normal(0, 1e-4, rng.integers(0, 1.5 * RATE)))]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="session")
def answering(tmp_path_factory) -> EmotionClassifier:
    """Random weights, large enough that answers differ from sound to sound."""
    torch.manual_seed(0)
    model = build_classifier("tiny")
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    return EmotionClassifier(export_onnx(model.eval(), tmp_path_factory.mktemp("model") / "model.onnx"), threads=1)


@pytest.fixture(scope="session")
def marks(tmp_path_factory) -> Path:
    """In place of Silero's network: the probability of speech in a frame is its first sample."""
    values = {"input": ([None, 576], TensorProto.FLOAT), "state": ([2, None, 128], TensorProto.FLOAT), "sr": ([], TensorProto.INT64)}
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name, (shape, kind) in values.items()]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("output", "stateN")]
    first = helper.make_node("Gather", ["input", "place"], ["output"], axis=1)  # 64 samples of the frame before come first
    state = helper.make_node("Identity", ["state"], ["stateN"])
    graph = helper.make_graph([first, state], "marks", inputs, outputs, [onnx.numpy_helper.from_array(np.array([64]), "place")])
    path = tmp_path_factory.mktemp("vad") / "marks.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)]), path)
    return path
