"""The page on distillation: multiply-adds that one can count by hand, and embeddings as the classifier sees them."""

import numpy as np
import pytest
import torch

from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig
from sercore.training.model import build_classifier

GEOMETRY = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("distillation")


@pytest.fixture(scope="module")
def student():
    """Of 25 frames a second; without a convolution for positions."""
    torch.manual_seed(0)
    return LogMelClassifier(LogMelConfig(stem_strides=(2, 2), **GEOMETRY)).eval()


def test_multiply_adds_are_those_counted_by_hand(page, student):
    """Each weight as often as it is used in 1 s, of 100 frames in the spectrogram, 50 and 25 behind the strides."""
    spectrogram = 100 * (2 * 201 * 400 + 201 * 80)
    stem = 50 * 80 * 32 * 3 + 25 * 32 * 32 * 3
    matrices = 25 * (4 * 32 * 32 + 2 * 32 * 64)
    attention = 2 * 25 * 25 * 32  # each frame's weights for all, and what they weigh
    head = 64 * student.classifier.out_features
    by_hand = spectrogram + stem + 2 * (matrices + attention) + head
    assert page.describe(student, 1)["multiply-adds (millions)"] == pytest.approx(by_hand / 1e6, rel=1e-6)


def test_shape_is_read_from_either_kind_of_model(page, student):
    """Both have 25 frames a second; width and layers of the tiny HuBERT as in `TINY`."""
    shapes = [page.describe(model) for model in (student, build_classifier("tiny"))]
    assert [(one["layers"], one["width"], one["frames a second"]) for one in shapes] == [(2, 32, 25), (1, 48, 25)]
    assert shapes[0]["parameters"] == student.num_parameters()


def test_the_embedding_of_a_view_is_what_the_classifier_sees(page, student):
    """Clips of different lengths in one batch, against each alone."""

    rng = np.random.default_rng(0)
    waveforms = [rng.normal(0, 0.1, size).astype(np.float32) for size in (8000, 20_000)]

    class View(list):
        labels = (0, -1)

    view = View({"input_values": waveform, "labels": -1} for waveform in waveforms)
    with torch.inference_mode():
        alone = [student(torch.from_numpy(waveform)[None]).logits for waveform in waveforms]
        logits = student.classifier(torch.from_numpy(page.embed_view(student, view)))
    torch.testing.assert_close(logits, torch.cat(alone), rtol=1e-3, atol=1e-4)
