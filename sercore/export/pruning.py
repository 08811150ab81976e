"""Structured pruning: a smaller network of the same class, without the channels that matter least."""

import copy
import math
from bisect import bisect_right
from functools import partial

import torch
import torch_pruning
from torch.nn.utils import parametrizations, parametrize
from transformers import PreTrainedModel

from sercore.export.latency import count_operations

SIZES = ("hidden_size", "intermediate_size", "conv_dim", "d_model", "encoder_ffn_dim")  # of HuBERT, of `LogMelConfig`
SECONDS = 8  # of the waveform that operations are counted for


@torch.enable_grad()  # dependencies are found by it
def prune(model: PreTrainedModel, share: float) -> PreTrainedModel:
    """Takes as many channels out of a model, which stays as it is, as this share of its operations needs to go.

    Width, feed-forward channels, the dimensions of each head and, of a HuBERT, convolutions lose the same share: those
    whose weights, in all layers that a channel passes, have the smallest norm (Fang et al. 2023).

    Args:
        model: a `LogMelClassifier` or a HuBERT for classification.
        share: of the multiply-adds for 8 s, those of a spectrogram aside.

    Returns:
        A model of the same class, with a smaller configuration, to be fine-tuned.

    Raises:
        ValueError: a negative share, or one that would empty a layer.
    """
    own = _rebuild(model, model.config)
    attention, hubert = [part for part in own.modules() if hasattr(part, "q_proj")], hasattr(own, "hubert")
    old, heads = attention[0].q_proj.in_features, attention[0].num_heads
    step = math.lcm(heads, own.config.num_conv_pos_embedding_groups if hubert else 4)  # fewer hold no sinusoids
    # An eighth of a channel more, so that no size is rounded down from just below a whole number.
    keeps, count = [*((width + 1 / 8) / old for width in range(step, old, step)), 1.0], partial(_count, own)
    whole = count(1.0)
    most = math.floor(1000 * (1 - count(keeps[0]) / whole)) / 1000
    if not 0 <= share <= most:
        raise ValueError(f"share is {share}; it must lie between 0 and {most}, which leaves {step} of {old} channels.")
    kept = keeps[bisect_right(keeps, (1 - share) * whole, key=count) - 1]
    for one in own.modules():
        if isinstance(one, torch.nn.GroupNorm):  # groups of one channel would all stay; what is rebuilt has them again
            one.num_groups = 1
    torch_pruning.pruner.BasePruner(
        own,
        0.1 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)),
        torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=1 - kept,
        num_heads={getattr(one, name): heads for one in attention for name in ("q_proj", "k_proj", "v_proj")},
        ignored_layers=[own.classifier, *([own.projector] if hubert else [])],
        unwrapped_parameters=[(own.hubert.masked_spec_embed, 0)] if hubert else None,
        output_transform=lambda output: output.logits,
    ).step()
    for one in attention:  # scores are divided by the root of a head's dimensions, which are fewer now
        for part in (one.q_proj.weight, one.q_proj.bias):
            part.data *= math.sqrt(one.q_proj.out_features / old)
    return _rebuild(own, _shrink(own.config, kept), parametrizations.weight_norm)


def _count(model: PreTrainedModel, kept: float) -> float:
    """Multiply-adds behind a spectrogram of a model of which each layer keeps a share of its channels."""
    work = count_operations(type(model)(_shrink(model.config, kept)), SECONDS)
    return work[~work.index.str.startswith("log_mel")].sum()


def _shrink(config, kept: float):
    """The configuration of a model of which each layer keeps a share of its channels."""
    sizes = {name: getattr(config, name) for name in SIZES if hasattr(config, name)}
    smaller = copy.deepcopy(config)
    for name, size in sizes.items():
        setattr(smaller, name, [int(one * kept) for one in size] if name == "conv_dim" else int(size * kept))
    return smaller


def _rebuild(model, config, norm=None) -> PreTrainedModel:
    """A model of the configuration with the weights of this one; a convolution's weight norm taken out or put back."""
    own, weights = type(model)(copy.deepcopy(config)).eval(), model.state_dict()
    weights.pop("hubert.masked_spec_embed", None)  # never used
    convolutions = [own.hubert.encoder.pos_conv_embed.conv] if hasattr(own, "hubert") else []
    for one in convolutions if norm else ():
        parametrize.remove_parametrizations(one, "weight")
    own.load_state_dict(weights, strict=False)
    for one in convolutions:
        norm(one, dim=2) if norm else parametrize.remove_parametrizations(one, "weight")
    return own
