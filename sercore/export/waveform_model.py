"""What an exported file computes, as one module: recorded audio to probabilities, in operators that any runtime has."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from sercore.audio_files import SAMPLE_RATE
from sercore.data.batches import MIN_SECONDS
from sercore.data.preprocessing import PEAK, PRE_EMPHASIS, SILENCE_PEAK, TRIM_TOP_DB

FRAME, HOP = 2048, 512  # samples, of librosa.effects.trim
QUIETEST = 1e-10  # power below which librosa tells no levels apart (-100 dB)
PLAIN = "sercore-export"  # the attention below, as transformers knows it


class Chain(nn.Module):
    """The chain of training in tensor operations: `sercore.data.preprocess`, then `sercore.data.Collator`."""

    def __init__(self, length: str, max_seconds: float, min_samples: int):
        super().__init__()
        self.length, self.max_samples, self.min_samples = length, round(max_seconds * SAMPLE_RATE), min_samples

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Recorded audio (batch, samples) to model input (batch, samples) and the lengths of its rows (batch, 1)."""
        start, end = _loud_part(waveform)
        place = torch.arange(waveform.shape[1])
        inside = ((place >= start) & (place < end)).float()
        trimmed = waveform * inside
        rest = trimmed[:, 1:] - PRE_EMPHASIS * trimmed[:, :-1]
        emphasized = torch.cat([trimmed[:, :1], rest], 1) * inside
        peak = emphasized.abs().amax(1, keepdim=True)
        silent = (waveform.abs().amax(1, keepdim=True) < SILENCE_PEAK) | (peak == 0)
        return self._cut(emphasized * torch.where(silent, 1.0, PEAK / torch.where(silent, 1.0, peak)), start, end)

    def _cut(self, waveform: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """Moves every row to the front and brings all to one width."""
        kept = (end - start).clamp(max=self.max_samples)
        lengths = kept.clamp(min=self.min_samples)
        widths = torch.full_like(lengths, self.max_samples) if self.length == "fixed" else lengths
        place = torch.arange(widths.max())  # taken from a tensor, so that no table of indices enters the file
        rows = waveform.gather(1, (start + place).clamp(max=waveform.shape[1] - 1))
        return rows * (place < kept), lengths


def _loud_part(waveform: Tensor) -> tuple[Tensor, Tensor]:
    """What librosa.effects.trim keeps of each row: its first sample and the one behind its last, both (batch, 1)."""
    # A row ends behind its last sample that is not 0, the rest fills it up; one that is alone or silent counts whole.
    samples = waveform.shape[1]
    end = torch.where(waveform != 0, torch.arange(1, samples + 1), 0).amax(1, keepdim=True)
    whole = (end == 0) | (torch.ones_like(end).sum() == 1)
    last = torch.where(whole, samples, end)
    power = nn.functional.avg_pool1d(waveform[:, None].square(), FRAME, HOP, FRAME // 2)[:, 0].clamp(min=QUIETEST)
    frame = torch.arange(power.shape[1])
    loud = (power > 10 ** (-TRIM_TOP_DB / 10) * power.amax(1, keepdim=True)) & (frame <= last // HOP)
    first = torch.where(loud, frame, power.shape[1]).amin(1, keepdim=True)
    behind = torch.where(loud, frame + 1, 0).amax(1, keepdim=True)
    return first * HOP, torch.minimum(behind * HOP, last)


class Graph(nn.Module):
    """A classifier behind its chain: (batch, samples) to logits and probabilities, both (batch, labels)."""

    def __init__(self, model: PreTrainedModel, length: str, max_seconds: float):
        super().__init__()
        self.masked, self.model = length == "longest", _plain(model)
        self.first, receptive = _prepare_hubert(self.model) if hasattr(model.config, "conv_kernel") else (None, 1)
        self.chain = Chain(length, max_seconds, max(round(MIN_SECONDS * SAMPLE_RATE), receptive))

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        values, lengths = self.chain(waveform)
        lengths = lengths if self.masked else None
        if self.first is not None:
            self.first.lengths = lengths
        logits = self.model(values, attention_mask=lengths).logits
        return logits, logits.softmax(-1)


def _prepare_hubert(model: PreTrainedModel) -> tuple[nn.Module, int]:
    """Makes a HuBERT take the lengths of its rows for a mask; gives its first layer and the samples of a frame."""
    receptive, stride = 1, 1  # samples of a frame of the feature encoder, and from one frame to the next
    for kernel, step in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
        receptive, stride = receptive + (kernel - 1) * stride, stride * step

    def mask_frames(frames: int, lengths: Tensor, *_, **__) -> Tensor:  # (batch, frames)
        return torch.arange(frames) < (lengths - receptive) // stride + 1

    for module in (model, model.base_model):
        module._get_feature_vector_attention_mask = mask_frames
    layers = model.base_model.feature_extractor.conv_layers
    if isinstance(getattr(layers[0], "layer_norm", None), nn.GroupNorm):
        layers[0] = FirstLayer(layers[0])
    return layers[0], receptive


class FirstLayer(nn.Module):
    """Convolution, group norm of one channel each, activation: the norm becomes part of the filters of each row.

    Mean and variance of a filter's output follow from the moments of its input frames. Frames behind a row's end do not
    count: with them, a row would depend on its batch.
    """

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.activation, self.eps, self.lengths = layer.activation, layer.layer_norm.eps, None  # samples (batch, 1)
        self.kernel, self.stride = layer.conv.kernel_size[0], layer.conv.stride[0]
        self.register_buffer("filters", layer.conv.weight[:, 0].detach())
        self.register_buffer("weight", layer.layer_norm.weight[:, None].detach())
        self.register_buffer("bias", layer.layer_norm.bias[:, None].detach())
        self.register_buffer("samples", torch.eye(self.kernel + 1, self.kernel)[:, None])
        self.register_buffer("one", torch.eye(self.kernel + 1)[-1])

    def forward(self, waveform: Tensor) -> Tensor:
        """Model input (batch, 1, samples) to features (batch, filters, frames)."""
        frames = nn.functional.conv1d(waveform, self.samples, self.one, self.stride)  # samples of each frame, then a 1
        own = frames.double()  # floats would lose the variance of a filter that passes little of a loud sound
        if self.lengths is not None:
            own = own * (torch.arange(frames.shape[2]) < (self.lengths - self.kernel) // self.stride + 1)[:, None]
        moments = torch.einsum("bkt,bjt->bkj", own, frames.double())  # old runtimes cannot multiply transposed doubles
        mixed = self.filters.double() @ (moments / moments[:, -1:, -1:])[:, :-1]
        mean = mixed[..., -1:]
        variance = (mixed[..., :-1] * self.filters).sum(-1, keepdim=True) - mean.square()
        scale = self.weight * (variance.float() + self.eps).rsqrt()
        return self.activation(torch.cat([self.filters * scale, self.bias - mean.float() * scale], -1) @ frames)


def _plain(model: PreTrainedModel) -> PreTrainedModel:
    """A copy that computes the same with fewer and plainer operators."""
    # A deep copy would share the parametrized class, which loses its weight below. This one shares the weights alone.
    with torch.device("meta"):
        plain = type(model)(copy.deepcopy(model.config))
    plain.load_state_dict(model.state_dict(), assign=True)
    for module in list(plain.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    plain.set_attn_implementation(PLAIN)
    return plain.cpu().eval()


def _attention(module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float, **_):
    scores = query * scaling @ key.transpose(2, 3)
    scores = scores if attention_mask is None else scores + attention_mask
    return (scores.softmax(-1) @ value).transpose(1, 2), None


def _attention_mask(attention_mask: Tensor | None = None, **_) -> Tensor | None:
    """The smallest float where keys are padding (batch, 1, 1, keys)."""
    least = torch.finfo(torch.float32).min
    return None if attention_mask is None else torch.where(attention_mask[:, None, None], 0.0, least)


AttentionInterface.register(PLAIN, _attention)
AttentionMaskInterface.register(PLAIN, _attention_mask)
