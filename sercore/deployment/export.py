"""From a model to one ONNX file that takes audio as it was recorded: the preprocessing is part of the graph."""

import copy
import io
import json
import tempfile
from math import ceil
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnx import ModelProto
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from sercore import __version__
from sercore.data.audio import MAX_SECONDS, PEAK, PRE_EMPHASIS, SAMPLE_RATE, SILENCE_PEAK, TRIM_TOP_DB
from sercore.data.dataset import MIN_SECONDS
from sercore.deployment.card import LICENSES
from sercore.evaluation.tables import origin
from sercore.training import Run
from sercore.training.model import load_classifier
from sercore.training.runs import code_fingerprint

OPSET, IR = 17, 8  # the oldest opset with layer normalization as one operator, and the oldest IR that has it
FRAME, HOP = 2048, 512  # samples, of librosa.effects.trim
QUIETEST = 1e-10  # power below which librosa tells no levels apart (-100 dB)
PLAIN = "sercore-export"  # the attention below, as transformers knows it
PREPROCESSING = (
    f"trim at {TRIM_TOP_DB:g} dB below the loudest frame, pre-emphasis {PRE_EMPHASIS:g}, peak to {PEAK:g} unless the "
    f"recorded peak is below {SILENCE_PEAK:g}, cut to max_seconds, "
)
LENGTHS = {"longest": "mask behind the end of each row", "fixed": "zeros up to max_seconds"}


def export_onnx(
    source: Run | PreTrainedModel, file: str | Path, length: str | None = None, max_seconds: float | None = None
) -> Path:
    """Writes a classifier and its preprocessing as one ONNX file, whole or not at all.

    The graph takes `waveform` (batch, samples), float32 at 16 kHz as recorded, and gives `logits` and `probabilities`
    (batch, 4). One waveform is heard exactly as in training. Shorter rows of a batch are filled up with zeros; each
    ends with its last sample that is not zero, and gives what it gives alone.

    Args:
        source: a finished run, or a classifier of the HuBERT family, which stays as it is.
        file: to write; its folder is made.
        length: "longest" or "fixed", as for `sercore.data.Collator`; None for the run's, else "longest".
        max_seconds: what is longer after trimming is cut; None for the run's, else 8.

    Returns:
        The file.

    Raises:
        ValueError: an unknown length, one that the run was not trained with, or a model of another kind.
        OSError: the file cannot be written.
    """
    run = source if isinstance(source, Run) else None
    model = load_classifier(run.path / "model") if run else source
    length, max_seconds = _length(run, length, max_seconds)
    if not hasattr(model.config, "conv_kernel"):
        raise ValueError(f"{type(model).__name__} has no convolutional feature encoder; export a HuBERT.")
    metadata = {
        "labels": [model.config.id2label[number] for number in range(model.config.num_labels)],
        "sample_rate": SAMPLE_RATE,
        "length": length,
        "max_seconds": max_seconds,
        "preprocessing": PREPROCESSING + LENGTHS[length],
        "scheme": "fp32",
        "parameters": model.num_parameters(),
        "sercore": __version__,
    } | (_facts(run) if run else _no_facts(model))
    return _write(_simplified(_traced(_Graph(model, length, max_seconds))), metadata, Path(file))


def _length(run: Run | None, length: str | None, max_seconds: float | None) -> tuple[str, float]:
    """Length policy and longest input. Those of a run stay: its scores hold for no others."""
    usual = (run.experiment.length, run.experiment.max_seconds) if run else ("longest", MAX_SECONDS)
    asked = (length or usual[0], max_seconds or usual[1])
    if asked[0] not in LENGTHS:
        raise ValueError(f"length is {length!r}; choose one of {', '.join(map(repr, LENGTHS))}.")
    if run and asked != usual:
        raise ValueError(f"{run.path} was trained with length {usual[0]!r}, {usual[1]:g} s; leave both out.")
    return asked


def _facts(run: Run) -> dict:
    """What a client should know about where a model comes from."""
    experiment, test = run.experiment, run.metrics["test"]
    return {
        "backbone": Path(experiment.backbone).name if Path(experiment.backbone).is_dir() else experiment.backbone,
        "corpora": experiment.corpora,
        "synthetic": origin(experiment) == "synthetic",
        "license": "\n".join(LICENSES[corpus] for corpus in experiment.corpora),
        "scores": {name: round(test[name], 4) for name in ("WA", "UA", "macro_f1")}
        | {"on": f"{len(run.predictions)} held-out utterances of {experiment.name}"},
        "code": run.environment["code"],
    }


def _no_facts(model: PreTrainedModel) -> dict:
    nothing = {"corpora": [], "synthetic": False, "license": "", "scores": {}}
    return nothing | {"backbone": model.config.model_type, "code": code_fingerprint()}


class Chain(nn.Module):
    """The chain of training in tensor operations: `sercore.data.preprocess`, then `sercore.data.Collator`.

    Args:
        length, max_seconds: as for the collator.
        least: samples; shorter utterances are filled up to it.
    """

    def __init__(self, length: str, max_seconds: float, least: int):
        super().__init__()
        self.length, self.most, self.least = length, round(max_seconds * SAMPLE_RATE), least

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
        kept = (end - start).clamp(max=self.most)
        lengths = kept.clamp(min=self.least)
        widths = torch.full_like(lengths, self.most) if self.length == "fixed" else lengths
        place = torch.arange(widths.max())  # taken from a tensor, so that no table of indices enters the file
        rows = waveform.gather(1, (start + place).clamp(max=waveform.shape[1] - 1))
        return rows * (place < kept), lengths


def _loud_part(waveform: Tensor) -> tuple[Tensor, Tensor]:
    """What librosa.effects.trim keeps of each row: its first sample and the one behind its last, both (batch, 1)."""
    last = _ends(waveform)
    power = nn.functional.avg_pool1d(waveform[:, None].square(), FRAME, HOP, FRAME // 2)[:, 0].clamp(min=QUIETEST)
    frame = torch.arange(power.shape[1])
    loud = (power > 10 ** (-TRIM_TOP_DB / 10) * power.amax(1, keepdim=True)) & (frame <= last // HOP)
    first = torch.where(loud, frame, power.shape[1]).amin(1, keepdim=True)
    behind = torch.where(loud, frame + 1, 0).amax(1, keepdim=True)
    return first * HOP, torch.minimum(behind * HOP, last)


def _ends(waveform: Tensor) -> Tensor:
    """Lengths of the rows (batch, 1): all of a single row or of silence, else up to the last sample that is not 0."""
    samples = waveform.shape[1]
    end = torch.where(waveform != 0, torch.arange(1, samples + 1), 0).amax(1, keepdim=True)
    whole = (end == 0) | (torch.ones_like(end).sum() == 1)
    return torch.where(whole, samples, end)


class _Graph(nn.Module):
    """Recorded audio to logits and probabilities."""

    def __init__(self, model: PreTrainedModel, length: str, max_seconds: float):
        super().__init__()
        self.receptive, self.stride = _frame(model)
        self.chain = Chain(length, max_seconds, max(round(MIN_SECONDS * SAMPLE_RATE), self.receptive))
        self.masked, self.model = length == "longest", _plain(model)
        first = self.model.base_model.feature_extractor.conv_layers[0]
        self.norm = _RowNorm(first) if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm) else None
        if self.norm:
            first.layer_norm = self.norm
        for module in (self.model, self.model.base_model):
            module._get_feature_vector_attention_mask = self._frame_mask

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        values, lengths = self.chain(waveform)
        lengths = lengths if self.masked else None
        if self.norm:
            self.norm.lengths = lengths
        logits = self.model(values, attention_mask=lengths).logits
        return logits, logits.softmax(-1)

    def _frame_mask(self, frames: int, lengths: Tensor, *_, **__) -> Tensor:
        """Which frames are the row's own (batch, frames); from lengths, where the model's own method takes a mask."""
        return torch.arange(frames) < (lengths - self.receptive) // self.stride + 1


class _RowNorm(nn.Module):
    """Group norm of one channel each over a row's own frames; over its padding too, a row would depend on its batch."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.weight, self.bias, self.eps = layer.layer_norm.weight, layer.layer_norm.bias, layer.layer_norm.eps
        self.kernel, self.stride = layer.conv.kernel_size[0], layer.conv.stride[0]
        layer.conv.bias = None  # the norm would take it away again; without it, frames of padding are zero
        self.lengths = None  # samples (batch, 1) where rows have lengths of their own

    def forward(self, frames: Tensor) -> Tensor:
        if self.lengths is None:
            return torch.instance_norm(frames, self.weight, self.bias, None, None, True, 0.0, self.eps, False)
        count = (self.lengths - self.kernel) // self.stride + 1
        channels, width = frames.shape[1:]
        place = (count + torch.arange(ceil((self.kernel - 1) / self.stride)))[:, None]  # frames half in the padding
        edge = frames.gather(2, place.clamp(max=width - 1).expand(-1, channels, -1)) * (place < width)
        mean = (frames.sum(2) - edge.sum(2)) / count
        power = (frames.square().sum(2) - edge.square().sum(2)) / count
        scale = self.weight * (power - mean.square() + self.eps).rsqrt()
        return frames * scale[..., None] + (self.bias - mean * scale)[..., None]


def _frame(model: PreTrainedModel) -> tuple[int, int]:
    """Samples that one frame of the feature encoder hears, and samples from one to the next."""
    receptive, stride = 1, 1
    for kernel, step in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
        receptive, stride = receptive + (kernel - 1) * stride, stride * step
    return receptive, stride


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


def _traced(graph: nn.Module) -> ModelProto:
    # Both exporters of torch 2.13 give the same numbers. This one follows a width that depends on the audio without
    # being told so, stays at opset 17, names operators by their layer (which quantization goes by) and takes 2 s; the
    # newer (dynamo=True) takes 25 s, cannot go below opset 18, and writes this machine's paths into every operator.
    stream, rows = io.BytesIO(), {0: "batch"}
    with torch.no_grad():
        torch.onnx.export(
            graph.eval(),
            (torch.zeros(2, 2 * SAMPLE_RATE),),
            stream,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            opset_version=OPSET,
            input_names=["waveform"],
            output_names=["logits", "probabilities"],
            dynamic_axes={"waveform": rows | {1: "samples"}, "logits": rows, "probabilities": rows},
        )
    return onnx.load_from_string(stream.getvalue())


def _simplified(proto: ModelProto) -> ModelProto:
    """Constants folded and doubles removed by ONNX Runtime at its basic level, which keeps to standard operators."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/basic.onnx"
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _write(proto: ModelProto, metadata: dict, file: Path) -> Path:
    """Stamps, checks and writes beside the file, then renames."""
    opset = onnx.helper.make_opsetid("", OPSET)  # ONNX Runtime stamps the domains of all its operators, used or not
    proto = onnx.helper.make_model(proto.graph, ir_version=IR, opset_imports=[opset], producer_name="sercore")
    onnx.helper.set_model_props(proto, {name: _text(value) for name, value in metadata.items()})
    onnx.checker.check_model(proto, full_check=True)
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(proto, part)
        part.replace(file)
    except OSError as error:
        raise OSError(f"cannot write {file}: {error}; free space or name another file.") from None
    finally:
        part.unlink(missing_ok=True)
    return file


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
