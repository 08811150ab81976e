"""Small classifiers on a log-mel spectrogram, and a small Whisper as the hub has it."""

import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

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
