"""Whisper's first layers as a classifier, and students of their shape."""

import json
import os

import numpy as np
import pytest
import torch
from transformers import AutoModelForAudioClassification, HubertConfig, WhisperForAudioClassification

from sercore.data import preprocess
from sercore.labels import EMOTIONS
from sercore.training import build_classifier, load_classifier
from sercore.training.log_mel_classifier import NOTICE, read_whisper

SHAPES = ({}, {"stem_strides": (2, 2), "position_kernel": 15})  # Whisper's, a student's


def noise(samples, seed=0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(samples), dtype=torch.float32) * 0.1


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_padding_changes_no_row(make_classifier, shape):
    model = make_classifier(**shape)
    rows = [noise(samples, seed) for seed, samples in enumerate((16_000, 9_999, 1_920, 24_161))]
    values, mask = torch.zeros(4, 24_161), torch.zeros(4, 24_161, dtype=torch.long)
    for number, row in enumerate(rows):
        values[number, : len(row)], mask[number, : len(row)] = row, 1
    alone = torch.cat([model(row[None]).logits for row in rows])
    assert torch.allclose(model(values, attention_mask=mask).logits, alone, atol=1e-4)
    assert torch.allclose(model(values, attention_mask=mask.sum(1, keepdim=True)).logits, alone, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_classifier_survives_saving(make_classifier, shape, tmp_path):
    model = make_classifier(**shape)
    model.save_pretrained(tmp_path)
    again = load_classifier(tmp_path)
    assert torch.equal(again(noise(16_000)[None]).logits, model(noise(16_000)[None]).logits)


def test_training_hides_blocks_and_prediction_none(make_classifier):
    model = make_classifier(head_dropout=0.0)
    plain, hidden = model(noise(16_000)[None]).logits, model.train()(noise(16_000)[None]).logits
    assert not torch.equal(plain, hidden)
    assert torch.equal(plain, model.eval()(noise(16_000)[None]).logits)


def test_backbone_is_the_first_layers_of_whisper_with_its_stem_frozen(tiny_whisper, monkeypatch):
    monkeypatch.setenv("SERCORE_TEACHER", str(tiny_whisper))
    model = build_classifier("whisper-base")
    encoder = AutoModelForAudioClassification.from_pretrained(tiny_whisper).encoder
    assert len(model.layers) == 3
    assert torch.equal(model.conv2.weight, encoder.conv2.weight) and not model.conv2.weight.requires_grad
    assert torch.equal(model.layers[2].fc2.weight, encoder.layers[2].fc2.weight)
    assert model.layers[0].fc1.weight.requires_grad
    assert [*model.config.id2label.values()] == [*EMOTIONS] and model.config.notice == NOTICE


@torch.no_grad()
def test_layers_compute_what_whisper_computes(tiny_whisper):
    whisper = WhisperForAudioClassification.from_pretrained(tiny_whisper, encoder_layers=3).eval()
    model, seen = read_whisper(str(tiny_whisper)).eval(), []
    features = torch.randn(1, 80, 3000)
    for part in (model, whisper.encoder):
        part.layers[-1].register_forward_hook(lambda _, __, output: seen.append(output))
    hidden, _ = model._convolve(features, torch.tensor([[3000]]))
    for layer in model.layers:
        hidden = layer(hidden, None)
    whisper(features)
    assert torch.allclose(*seen, atol=1e-4)


def test_missing_backbone_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SERCORE_TEACHER", str(tmp_path / "nowhere"))
    with pytest.raises(OSError, match=r"whisper-base.*SERCORE_TEACHER") as error:
        build_classifier("whisper-base")
    assert "\n" not in str(error.value)


def test_teacher_of_another_kind_is_refused(tmp_path, monkeypatch):
    HubertConfig().save_pretrained(tmp_path)
    monkeypatch.setenv("SERCORE_TEACHER", str(tmp_path))
    with pytest.raises(ValueError, match="is a hubert; name a Whisper"):
        build_classifier("whisper-base")


def test_student_is_two_million_parameters_all_trained():
    model = build_classifier("student-scratch")
    assert 2.0e6 < model.num_parameters() < 2.2e6
    assert all(parameter.requires_grad for parameter in model.parameters())


@torch.no_grad()
def test_real_backbone_is_unmoved_by_padding():
    if "SERCORE_TEACHER" not in os.environ:
        pytest.skip("SERCORE_TEACHER names no folder of Whisper-base")
    model = build_classifier("whisper-base").eval()
    waveform = torch.tensor(preprocess(noise(20_000).numpy()))[None]
    padded = torch.nn.functional.pad(waveform, (0, 7_777))
    mask = (torch.arange(padded.shape[1]) < waveform.shape[1])[None].long()
    assert torch.allclose(model(padded, attention_mask=mask).logits, model(waveform).logits, atol=1e-4)


def test_student_of_another_shape_is_one_line(make_classifier, monkeypatch, tmp_path):
    """Its configuration says 48 numbers a frame, its weights have 32."""
    make_classifier().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"d_model": 48}))
    monkeypatch.setattr("sercore.paths.student_root", lambda: tmp_path)
    with pytest.raises(ValueError, match="backbone 'student' is no model") as error:
        build_classifier("student")
    assert "\n" not in str(error.value)


def test_absent_student_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("sercore.paths.student_root", lambda: tmp_path / "nowhere")
    with pytest.raises(OSError, match="backbone 'student'") as error:
        build_classifier("student")
    assert "\n" not in str(error.value)


def test_student_is_trained_whole(make_classifier, monkeypatch, tmp_path):
    make_classifier().save_pretrained(tmp_path)
    monkeypatch.setattr("sercore.paths.student_root", lambda: tmp_path)
    assert all(parameter.requires_grad for parameter in build_classifier("student").parameters())
