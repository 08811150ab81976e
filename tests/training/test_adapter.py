"""Adapters change nothing at first, scale along a line, and are kept alone."""

import copy

import pytest
import torch
from transformers import HubertConfig, HubertForSequenceClassification

from sercore.training.adapter import add_adapter, interpolate, load_adapter, save_adapter, scale_adapter
from sercore.training.model import TINY, build_classifier

VALUES = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1)) * 0.1


@pytest.fixture
def trained(make_classifier):
    """Makes a classifier whose adapter and head have moved."""

    def make():
        model = add_adapter(make_classifier(), rank=4)
        with torch.no_grad():
            for value in model.parameters():
                if value.requires_grad:
                    value += 0.1 * torch.randn_like(value)
        return model.eval()

    return make


@torch.no_grad()
def test_new_adapter_changes_nothing(make_classifier):
    adapted = add_adapter(make_classifier(), rank=4).eval()
    assert torch.allclose(adapted(VALUES).logits, make_classifier()(VALUES).logits, atol=1e-6)


def test_adapter_and_head_alone_are_trained(make_classifier):
    names = [name for name, value in add_adapter(make_classifier(), 4).named_parameters() if value.requires_grad]
    assert all("lora" in name or "norm.modules" in name or "classifier.modules" in name for name in names)
    assert sum("lora_A" in name for name in names) == 12  # six matrices in each of two layers


@torch.no_grad()
def test_share_lies_on_the_line_between_pretrained_and_trained(make_classifier, trained):
    weights = [make_classifier().layers[0].fc1.weight]
    for share in (0.5, 1.0):
        torch.manual_seed(0)
        model = trained()
        scale_adapter(model, share)
        weights.append(model.merge_and_unload().layers[0].fc1.weight)
    assert torch.allclose(weights[1], (weights[0] + weights[2]) / 2, atol=1e-6)


@torch.no_grad()
def test_scaled_adapter_is_kept_alone_in_half_precision(make_classifier, trained, tmp_path):
    model = trained()
    scale_adapter(model, 0.5)
    expected = model(VALUES).logits
    save_adapter(model, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert torch.allclose(load_adapter(make_classifier(), tmp_path).eval()(VALUES).logits, expected, atol=1e-2)


def test_adapter_fits_a_hubert_too():
    model = add_adapter(HubertForSequenceClassification(HubertConfig(**TINY)), 4)
    assert any("intermediate_dense.lora_A" in name for name, _ in model.named_parameters())


def test_adapter_of_another_backbone_is_one_line(make_classifier, trained, tmp_path):
    save_adapter(trained(), tmp_path)
    with pytest.raises(ValueError, match="belongs to another backbone") as error:
        load_adapter(make_classifier(d_model=48, encoder_attention_heads=4), tmp_path)
    assert "\n" not in str(error.value)


def test_folder_without_adapter_is_one_line(make_classifier, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no adapter"):
        load_adapter(make_classifier(), tmp_path)


@torch.no_grad()
def test_half_of_the_way_without_an_adapter_is_the_mean_of_both_but_for_the_last_layer():
    start, model = (build_classifier("student-scratch") for _ in range(2))
    known, before = copy.deepcopy(model.state_dict()), start.state_dict()
    interpolate(model, start, 0.5)
    for name, value in model.named_parameters():
        expected = known[name] if name.startswith("classifier") else (known[name] + before[name]) / 2
        torch.testing.assert_close(value, expected)
