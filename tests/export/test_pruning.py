"""Pruned models are smaller ones of the same class, made of weights of the large one."""

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertForSequenceClassification

from sercore.export.latency import count_operations
from sercore.export.pruning import prune
from sercore.training import build_classifier, load_classifier
from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig
from sercore.training.model import TINY

GEOMETRY = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}


@pytest.fixture(params=["student", "HuBERT", "HuBERT with the paper's norm"])
def model(request):
    torch.manual_seed(0)
    if "norm" in request.param:  # after the first convolution: a group for each channel
        return HubertForSequenceClassification(HubertConfig(**TINY | {"feat_extract_norm": "group"})).eval()
    if request.param == "HuBERT":
        return build_classifier("tiny").eval()
    return LogMelClassifier(LogMelConfig(stem_strides=(2, 2), position_kernel=15, **GEOMETRY)).eval()


@pytest.fixture
def waveforms():
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32))


def count_behind_spectrogram(model) -> float:
    work = count_operations(model, 8)
    return work[~work.index.str.startswith("log_mel")].sum()


def test_without_anything_to_prune_the_outputs_stay(model, waveforms):
    with torch.no_grad():
        torch.testing.assert_close(prune(model, 0).forward(waveforms).logits, model(waveforms).logits)


def test_half_of_the_operations_go_from_all_layers_alike_and_the_model_stays_as_it_is(model):
    """Counted on what comes out; a spectrogram has no channels to lose."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    smaller = prune(model, 0.5)
    assert type(smaller) is type(model)
    left = count_behind_spectrogram(smaller) / count_behind_spectrogram(model)
    assert 0.35 < left <= 0.5  # one channel for each head less would be too few
    widths = [
        [part.q_proj.in_features for part in one.modules() if hasattr(part, "q_proj")] for one in (model, smaller)
    ]
    assert len({*widths[1]}) == 1 and widths[1][0] < widths[0][0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_what_is_left_are_rows_of_the_large_model_in_their_order(model):
    """A layer norm has one weight a channel: drawn anew, so that each can be found again."""
    norms = [part for part in model.modules() if isinstance(part, torch.nn.LayerNorm)]
    for norm in norms:
        torch.nn.init.normal_(norm.weight)
    smaller = [part for part in prune(model, 0.25).modules() if isinstance(part, torch.nn.LayerNorm)]
    for norm, own in zip(norms, smaller, strict=True):
        place = [int((norm.weight == value).nonzero()) for value in own.weight]
        assert len(place) < len(norm.weight) and place == sorted(set(place))


def test_channels_with_the_smallest_weights_go():
    """Feed-forward channels, every second of which has a thousandth of the others' weights; less than half stay."""
    torch.manual_seed(0)
    model = LogMelClassifier(LogMelConfig(stem_strides=(2, 2), position_kernel=15, **GEOMETRY)).eval()
    layer = model.layers[0]
    with torch.no_grad():
        layer.fc1.bias.copy_(torch.arange(64.0))
        for weight in (layer.fc1.weight, layer.fc2.weight.T):
            weight[1::2] *= 0.001
    left = prune(model, 0.8).layers[0].fc1.bias
    assert 0 < len(left) <= 32 and not (left % 2).any()


def test_a_saved_model_is_read_again(model, waveforms, tmp_path):
    smaller = prune(model, 0.5)
    smaller.save_pretrained(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(load_classifier(tmp_path)(waveforms).logits, smaller(waveforms).logits)


def test_a_student_whose_positions_are_sinusoids_keeps_room_for_them(waveforms):
    """A sine and a cosine of two waves are four channels, however few heads there are."""
    model = LogMelClassifier(LogMelConfig(stem_strides=(2, 2), **GEOMETRY | {"encoder_attention_heads": 2})).eval()
    smaller = prune(model, 0.9)
    assert smaller.config.d_model >= 4 and smaller(waveforms).logits.isfinite().all()


@pytest.mark.parametrize("share", [1, 0.99, -0.5])
def test_a_share_that_would_empty_a_layer_is_refused(model, share):
    with pytest.raises(
        ValueError, match=f"^share is {share}; it must lie between 0 and 0.9.*, which leaves . of .. channels.$"
    ):
        prune(model, share)
