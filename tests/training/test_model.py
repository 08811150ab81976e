"""Backbones: the right size, frozen where pretrained, loadable from a local copy, and clear when they cannot be had."""

import json
import shutil

import pytest
import torch
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    HubertConfig,
    HubertModel,
    WhisperConfig,
    WhisperForAudioClassification,
)

from sercore.labels import DIMENSIONS, EMOTIONS
from sercore.training import build_classifier, load_classifier
from sercore.training.log_mel_classifier import read_whisper
from sercore.training.model import DISTILHUBERT, FILTERBANK, SMALL, build_regressor


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A bare, small HuBERT of DistilHuBERT's format (no head, no padding mask), saved as the hub has it."""
    folder = tmp_path_factory.mktemp("hub") / "distilhubert"
    names = ("conv_dim", "conv_kernel", "conv_stride", "hidden_size", "num_attention_heads")
    sizes = {name: SMALL[name] for name in names}
    torch.manual_seed(0)
    HubertModel(HubertConfig(**DISTILHUBERT, **sizes, intermediate_size=128)).save_pretrained(folder)
    return folder


def trained(model) -> dict[str, bool]:
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}


def test_distilhubert_geometry_has_the_published_size():
    """23.49 million parameters under the head (DistilHuBERT as published)."""
    model = build_classifier("distilhubert-scratch")
    assert round(model.base_model.num_parameters() / 1e6, 2) == 23.49


@pytest.mark.parametrize(("backbone", "least", "most"), [("small", 8e5, 1.2e6), ("tiny", 1e4, 1e5)])
def test_small_backbones_are_small(backbone, least, most):
    assert least < build_classifier(backbone).num_parameters() < most


def test_labels_are_the_emotions_in_order():
    config = build_classifier("tiny").config
    assert [config.id2label[number] for number in range(len(EMOTIONS))] == list(EMOTIONS)


@torch.no_grad()
@pytest.mark.parametrize("backbone", ["tiny", "student-scratch"])
def test_a_regressor_gives_the_dimensions_about_the_middle_of_their_scale(backbone, tmp_path):
    torch.manual_seed(0)
    build_regressor(backbone).save_pretrained(tmp_path)
    model = load_classifier(tmp_path)
    outputs = model(0.1 * torch.randn(4, 16_000)).logits
    assert model.config.id2label == dict(enumerate(DIMENSIONS)) and outputs.shape == (4, len(DIMENSIONS))
    assert (outputs - 3).abs().max() < 1.5


def test_pretrained_backbone_has_its_feature_encoder_frozen_and_the_rest_trained(checkpoint):
    """Section III-C."""
    flags = trained(build_classifier(str(checkpoint)))
    assert all(flag != ("feature_extractor" in name) for name, flag in flags.items())


def test_random_backbone_is_trained_whole():
    assert all(trained(build_classifier("tiny")).values())


def test_pretrained_weights_are_the_checkpoints(checkpoint):
    saved = HubertModel.from_pretrained(checkpoint).state_dict()
    loaded = build_classifier(str(checkpoint)).hubert.state_dict()
    assert saved.keys() == loaded.keys() and all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_no_spec_augment_is_added_to_the_papers_augmentation(checkpoint):
    assert not build_classifier(str(checkpoint)).config.apply_spec_augment


@pytest.mark.parametrize("folder", [True, False], ids=["folder", "hub"])
def test_backbone_that_cannot_be_had_names_those_that_need_no_download(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    backbone = str(tmp_path) if folder else "nobody/no-such-model"
    with pytest.raises((OSError, ValueError), match="no download: distilhubert-scratch, small, tiny") as error:
        build_classifier(backbone)
    assert backbone in str(error.value) and "\n" not in str(error.value)
    assert folder or error.type is OSError


def test_code_of_a_folder_is_never_run(checkpoint, tmp_path, monkeypatch):
    """`auto_map` in a configuration names code beside the weights; transformers asks whether to run it."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    folder = shutil.copytree(checkpoint, tmp_path / "hub")
    config = json.loads((folder / "config.json").read_text())
    auto_map = dict.fromkeys(("AutoConfig", "AutoModelForAudioClassification"), "trap.Trap")
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "trap", "auto_map": auto_map}))
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    for load in (build_classifier, load_classifier, read_whisper):
        with pytest.raises((OSError, ValueError)):
            load(str(folder))
    assert not (tmp_path / "sprung").exists()


def test_pickled_weights_are_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "hub")
    torch.save(HubertModel.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        build_classifier(str(folder))


def test_spectrogram_models_are_refused(tmp_path):
    """Whisper and the Audio Spectrogram Transformer classify audio too, but take no waveform."""
    sizes = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "decoder_layers": 1, "vocab_size": 60}
    tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
    WhisperForAudioClassification(WhisperConfig(**sizes, **tokens)).save_pretrained(tmp_path / "whisper")
    with pytest.raises(ValueError, match="name a HuBERT"):
        build_classifier(str(tmp_path / "whisper"))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ASTForAudioClassification(ASTConfig(**sizes)).save_pretrained(tmp_path / "ast")
    with pytest.raises(ValueError, match="name a HuBERT"):
        build_classifier(str(tmp_path / "ast"))


def test_padding_leaves_an_utterance_of_the_small_backbones_alone():
    """Layer norm and masked pooling: logits with and without a second, longer utterance in the batch agree."""
    torch.manual_seed(0)
    model = build_classifier("tiny").eval()
    short, long = torch.randn(1, 16_000), torch.randn(1, 32_000)
    batch = torch.cat([torch.nn.functional.pad(short, (0, 16_000)), long])
    mask = torch.ones_like(batch).long()
    mask[0, 16_000:] = 0
    with torch.no_grad():
        together = model(batch, attention_mask=mask).logits[0]
        alone = model(short, attention_mask=mask[:1, :16_000]).logits[0]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("backbone", FILTERBANK)
def test_filterbank_covers_the_speech_band(backbone):
    """The strongest frequency of each filter rises from about 100 Hz towards 7.6 kHz."""
    weight = build_classifier(backbone).hubert.feature_extractor.conv_layers[0].conv.weight[:, 0].detach()
    peaks = torch.fft.rfft(weight, 4096).abs().argmax(-1) * 16_000 / 4096
    assert peaks[0] < 300 and peaks[-1] > 7000 and (peaks.diff() >= 0).all()


def test_another_student_is_trained_whole(tmp_path):
    """As the one that ships is; of a pretrained model, the feature encoder stays frozen (section III-C)."""
    build_classifier("student").save_pretrained(tmp_path)
    model = build_classifier(str(tmp_path))
    assert all(weight.requires_grad for weight in model.parameters()) and model.dtype == torch.float32
