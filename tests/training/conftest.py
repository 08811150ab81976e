"""Small classifiers on a log-mel spectrogram, a small Whisper as the hub has it, and a teacher made of it."""

import os

import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from sercore.demo import write_corpus
from sercore.experiment import Experiment
from sercore.training import train
from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig

TINY = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory):
    """Folder of a whole, small Whisper with five encoder layers."""
    folder = tmp_path_factory.mktemp("hub") / "whisper"
    torch.manual_seed(0)
    config = WhisperConfig(**TINY | {"encoder_layers": 5}, decoder_layers=1, decoder_attention_heads=2)
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture
def make_classifier():
    """Makes a small classifier, always the same one."""

    def make(**settings) -> LogMelClassifier:
        torch.manual_seed(0)
        return LogMelClassifier(LogMelConfig(**TINY | settings, num_labels=4)).eval()

    return make


@pytest.fixture(scope="session")
def teacher(tmp_path_factory, tiny_whisper):
    """A run of one epoch on synthetic speech with the adapter on a small Whisper, and the variables it needs."""
    folder = tmp_path_factory.mktemp("distillation")
    root = write_corpus("cremad", folder / "cremad")
    variables = {"SERCORE_RUNS": str(folder / "runs"), "SERCORE_TEACHER": str(tiny_whisper)}
    settings = {"split": "disjoint", "primary": "cremad", "permanent": "", "roots": {"cremad": str(root)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ)  # which `datasets` replaces
        for name, value in variables.items():
            patch.setenv(name, value)
        run = train(Experiment.from_profile("demo", backbone="whisper-base", adapter_rank=2, epochs=1, **settings))
    return run, variables


@pytest.fixture
def run(teacher, monkeypatch, tmp_path):
    """The teacher's run, with a folder of its own for what a test distils and views."""
    for name, value in teacher[1].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERCORE_RUNS", str(tmp_path / "runs"))
    return teacher[0]
