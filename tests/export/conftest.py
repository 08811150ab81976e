"""A synthetic voice, a model whose predictions differ from sound to sound, and a finished run."""

import os

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import HubertConfig, HubertForSequenceClassification

from sercore.demo import draw_voice, express_emotion, speak
from sercore.evaluation import score
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training import Run, build_classifier
from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig, read_whisper
from sercore.training.model import LABELS, SETTINGS, TINY

RATE = 16_000  # Hz
GROUP = TINY | {"feat_extract_norm": "group", "do_stable_layer_norm": False}  # DistilHuBERT's norm in a small geometry
WHISPER = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
STUDENT = WHISPER | {"stem_strides": (2, 2), "position_kernel": 5}  # half the frames, and learnt positions
LOG_MEL = {"whisper": WHISPER, "student": STUDENT}


@pytest.fixture(scope="session")
def voice():
    """Speech of so many seconds between 0.3 s in which only the room sounds; float32 (samples,)."""

    def make(seconds: float, emotion: str = "anger", seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        speech = speak(draw_voice(("female", "male")[seed % 2], rng), express_emotion(emotion, 1.0), seconds, RATE, rng)
        room = 1e-3 * rng.normal(size=(2, round(0.3 * RATE)))
        return np.concatenate([room[0], speech, room[1]]).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def random_model():
    """Random weights and biases, the last ones so large (by `gain`) that predictions differ from sound to sound."""

    def make(name: str, gain: float = 20):
        torch.manual_seed(0)
        if name in LOG_MEL:
            model = LogMelClassifier(LogMelConfig(**LOG_MEL[name], **LABELS))
        elif name == "group":
            model = HubertForSequenceClassification(HubertConfig(**GROUP, **SETTINGS))
        else:
            model = build_classifier(name)
        with torch.no_grad():
            for part, parameter in model.named_parameters():
                if part.endswith("bias"):
                    parameter.normal_(std=0.02)
            model.classifier.weight.mul_(gain)
            if name in LOG_MEL:  # random weights tell sounds apart less than from no sound
                model.classifier.bias.sub_(model.eval()(torch.randn(1, RATE) / 10).logits[0])
        return model.eval()

    return make


@pytest.fixture(scope="session")
def whisper():
    """Whisper's first layers under a random head, or skip."""
    if not (folder := os.environ.get("SERCORE_TEACHER")):
        pytest.skip("SERCORE_TEACHER names no folder of a Whisper")
    torch.manual_seed(0)
    return read_whisper(folder, **LABELS).eval()


@pytest.fixture
def finished(tmp_path):
    """A run of given settings as `train` leaves it: six test utterances, two of them right."""
    y_true = ["anger", "anger", "happiness", "neutral", "sadness", "sadness"]
    y_pred = [*EMOTIONS, "sadness", "anger"]

    def make(profile: str = "demo", **settings) -> Run:
        experiment = Experiment.from_profile(profile, **settings)
        path = tmp_path / experiment.name
        build_classifier("tiny").save_pretrained(path / "model")
        table = pd.DataFrame({"utterance": list("abcdef"), "speaker": "s", "y_true": y_true, "y_pred": y_pred})
        metrics = {part: score(y_true, y_pred) for part in ("test", "validation")} | {"best_epoch": 3, "epochs": 7}
        return Run(path, experiment, {"code": "abc123"}, pd.DataFrame({"epoch": [1]}), table, metrics)

    return make
