"""From an exported file to smaller and faster ones: schemes, built on ONNX Runtime's quantizers."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod
from onnxruntime.transformers.fusion_gelu import FusionGelu
from onnxruntime.transformers.onnx_model import OnnxModel
from transformers import PreTrainedModel

from sercore.audio_files import read_audio
from sercore.data import Split, shared_speakers
from sercore.export.onnx_export import IR, export_onnx
from sercore.export.weight_packing import BLOCK, pack
from sercore.paths import PACKAGE, whole_file, write_json
from sercore.training import Run
from sercore.training.code_digest import digest_code
from sercore.training.runs import LAST, explain_full_disk

# The code that files of a model are made by.
CODE = ("export/onnx_export.py", "export/quantization.py", "export/w*.py", "data/preprocessing.py", "training/log*.py")
MIN_UTTERANCES = 150  # least that calibrate
# How the range of an activation is found: the extremes over all utterances, the mean of each utterance's extremes,
# all but the outermost 0.01 % of the values, or what loses least entropy. Strides of 1 keep one utterance in memory.
METHODS = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "average": (CalibrationMethod.MinMax, {"CalibMovingAverage": True}),
    "percentile": (CalibrationMethod.Percentile, {"CalibPercentile": 99.99, "CalibStridedMinMax": 1}),
    "entropy": (CalibrationMethod.Entropy, {"CalibStridedMinMax": 1}),
}
CONVOLUTIONS, LINEAR = ["Conv"], ["MatMul"]
WEIGHTED = {"Conv": 0, "MatMul": 1, "Gemm": 0}  # all operators with weights: axis of the output channels
# In the names of layers: preprocessing and spectrogram (8 bits do not hold eight decades of power), a HuBERT's first
# convolution, and those whose weights take 4 bits.
FRONT, FIRST = ("/chain/", "/log_mel/"), "/conv_layers.0/"
FOUR_BITS = ("/feed_forward/", "/attention/", "/pos_conv_embed/", "/self_attn/", "/fc1/", "/fc2/")


def sample_calibration(split: Split, count: int = MIN_UTTERANCES, seed: int = 0) -> list[np.ndarray]:
    """Draws training utterances to calibrate with: every emotion in its share, over all its durations.

    Returns:
        Waveforms as recorded, float32 (samples,) at 16 kHz.

    Raises:
        ValueError: a training speaker is in the validation or test part too, or there are too few utterances.
    """
    if shared := shared_speakers(replace(split, test=pd.concat([split.validation, split.test]))):
        who = f"speaker {shared[0]} ({len(shared)} in all)"
        raise ValueError(f"{who} is in training and in validation or test; calibrate with a split that shares none.")
    if len(split.train) < count:
        raise ValueError(f"calibration needs {count} training utterances; there are {len(split.train)}.")
    files = split.train.sort_values(["emotion", "duration"], kind="stable")["path"].to_numpy()
    generator = np.random.default_rng(seed)
    return [read_audio(generator.choice(stratum)) for stratum in np.array_split(files, count)]


def quantize(
    onnx_file: str | Path,
    scheme: str,
    file: str | Path,
    calibration: Sequence[np.ndarray] | None = None,
    reduce_range: bool = False,
    signed: bool = False,
    method: str = "percentile",
) -> Path:
    """Writes a quantized copy of an exported file, with its metadata and what was done, whole or not at all.

    Args:
        onnx_file: from `export_onnx`.
        scheme: one of `SCHEMES`.
        file: to write.
        calibration: waveforms of training speech, from `sample_calibration`; only schemes in `CALIBRATED` need them.
        reduce_range: 7-bit weights, for x86 processors without VNNI, where sums of 8-bit products can overflow.
        signed: calibrated activations as int8 instead of uint8, for ARM.
        method: of calibration, one of `METHODS`; "minmax" takes a third of the default's time and drifts more.

    Raises:
        FileNotFoundError, ValueError: no such file, a quantized one, unknown names, or too few waveforms.
    """
    for argument, name, known in (("scheme", scheme, SCHEMES), ("method", method, METHODS)):
        if name not in known:
            raise ValueError(f"{argument} is {name!r}; choose one of {', '.join(known)}.")
    chosen, waveforms = SCHEMES[scheme], calibration or ()
    if chosen.calibrated and len(waveforms) < MIN_UTTERANCES:
        raise ValueError(f"{scheme} calibrates with {MIN_UTTERANCES} or more waveforms; there are {len(waveforms)}.")
    settings = {"waveforms": waveforms, "reduce_range": reduce_range, "signed": signed, "method": method}
    (model, metadata), layers = _read(Path(onnx_file)), {}
    with _quiet():
        for step in chosen.steps:
            layers |= step(_plain(model), **settings)
    facts = {"layers": layers, "per_channel": bool(layers) and not chosen.control, "reduce_range": reduce_range}
    facts["float"] = "preprocessing, operators not in layers" + ("" if chosen.control else ", first convolution")
    facts["calibration"] = {"method": method, "utterances": len(waveforms)} if chosen.calibrated else None
    onnx.helper.set_model_props(model, metadata | {"scheme": scheme, "quantization": json.dumps(facts)})
    onnx.checker.check_model(_plain(model))
    with whole_file(file) as part:
        onnx.save(model, part)
    return Path(file)


class _Waveforms(CalibrationDataReader):
    """Gives waveforms one by one, so that none is padded."""

    def __init__(self, waveforms: Sequence[np.ndarray]):
        self.rows = [{"waveform": np.asarray(waveform, np.float32)[None]} for waveform in waveforms]
        self.set_range(0, len(self))

    def __len__(self) -> int:
        return len(self.rows)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.left = iter(self.rows[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def _calibrated(operators: list, model: ModelProto, waveforms, reduce_range: bool, signed: bool, method: str) -> dict:
    """QuantizeLinear and DequantizeLinear around each layer, which onnxruntime fuses with it when it loads the file."""
    kind, options = METHODS[method]
    # A linear layer's output stays float: onnxruntime multiplies in 8 bits and rescales in one operator.
    options = options | {"OpTypesToExcludeOutputQuantization": LINEAR, "CalibTensorRangeSymmetric": False}
    reading = {"calibration_data_reader": _Waveforms(waveforms), "calibrate_method": kind, "extra_options": options}
    types = {"activation_type": QuantType.QInt8 if signed else QuantType.QUInt8, "weight_type": QuantType.QInt8}
    chosen = {"op_types_to_quantize": operators, "nodes_to_quantize": _layers(model, operators)}
    _apply(quantize_static, model, per_channel=True, reduce_range=reduce_range, **reading, **types, **chosen)
    activations = f"{'int8' if signed else 'uint8'}, calibrated"
    return {operator: {"weights": "int8", "activations": activations} for operator in operators}


def _as_they_come(model: ModelProto, reduce_range: bool, **_) -> dict:
    """MatMulInteger over activations whose range is taken anew each time."""
    layers = _layers(model, LINEAR)
    _apply(quantize_dynamic, model, per_channel=True, reduce_range=reduce_range, nodes_to_quantize=layers)
    return {operator: {"weights": "int8", "activations": "uint8, dynamic"} for operator in LINEAR}


def _paper(model: ModelProto, reduce_range: bool, **_) -> dict:
    """quantize_dynamic over all operator types, kept off what stands in front, which the paper's file does not hold."""
    # Unsigned weights: ConvInteger with signed ones does not load before ONNX Runtime 1.24, and is slower than float.
    front = [node.name for node in model.graph.node if _within(node, FRONT)]
    _apply(quantize_dynamic, model, reduce_range=reduce_range, nodes_to_exclude=front, weight_type=QuantType.QUInt8)
    return {operator: {"weights": "uint8", "activations": "uint8, dynamic"} for operator in WEIGHTED}


def _apply(quantizer: Callable, model: ModelProto, **settings) -> None:
    with explain_full_disk("quantized weights"), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        onnx.save(model, file)
        quantizer(file, file, **settings)  # from a file: a model in memory comes out in other bytes
        model.CopyFrom(onnx.load(file))


def _eight_bit_weights(model: ModelProto, reduce_range: bool, **_) -> dict:
    """Each weight as int8 behind a DequantizeLinear, by hand: the quantizers would take the activations along."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    names = _layers(model, WEIGHTED)
    layers = [node for node in model.graph.node if node.name in names]
    for name, axis in {layer.input[1]: WEIGHTED[layer.op_type] for layer in layers}.items():
        weight, parts = numpy_helper.to_array(weights[name]), [f"{name}_quantized", f"{name}_scale"]
        peak = np.abs(weight).max(tuple({*range(weight.ndim)} - {axis}), keepdims=True)
        scale = np.where(peak > 0, peak, 1) / np.float32(63 if reduce_range else 127)
        model.graph.initializer.remove(weights[name])
        arrays = np.rint(weight / scale).astype(np.int8), scale.ravel()
        model.graph.initializer.extend(map(numpy_helper.from_array, arrays, parts))
        model.graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", parts, [name], parts[0], axis=axis))
    return {operator: {"weights": "int8", "activations": "float32"} for operator in WEIGHTED}


def _four_bits(model: ModelProto, **_) -> dict:
    """Stores the int8 weights of the layers named in `FOUR_BITS` as 4-bit codes."""
    behind = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    layers = [n for n in model.graph.node if n.op_type in ("Conv", "MatMulInteger") and _within(n, FOUR_BITS)]
    pack(model, {behind.get(node.input[1], node.input[1]) for node in layers})
    parts = [part.strip("/") for part in FOUR_BITS if any(part in node.name for node in layers)]
    return {"stored in 4 bits": {"layers": parts, "block": BLOCK}}


def _fused_gelu(model: ModelProto, **_) -> dict:
    """Writes GELU as one operator: onnxruntime no longer recognizes its parts between two quantized layers."""
    whole = OnnxModel(model)
    FusionGelu(whole).apply()
    whole.topological_sort()
    return {}


class Scheme(NamedTuple):
    """A recipe in words, and its steps: each changes a model in place and returns what it did, by operator."""

    recipe: str
    steps: tuple[Callable[..., dict], ...] = ()
    calibrated: bool = False  # needs waveforms
    control: bool = False  # not to be shipped: quantizes the first convolution too, with one range per tensor


_both, _mixed = partial(_calibrated, CONVOLUTIONS + LINEAR), (partial(_calibrated, CONVOLUTIONS), _as_they_come)
SCHEMES = {  # an entry is all that a further scheme needs
    "fp32": Scheme("32-bit float, as exported"),
    "w8": Scheme("8-bit weights, arithmetic in float", (_eight_bit_weights,)),
    "w8a8-conv": Scheme(
        "8-bit convolutions (calibrated) and linear layers (ranges as they come)",
        (*_mixed, _fused_gelu),
        calibrated=True,
    ),
    "w8a8": Scheme("8-bit convolutions and linear layers, both calibrated", (_both, _fused_gelu), calibrated=True),
    "w8w4": Scheme(
        "as w8a8-conv, transformer weights stored in 4 bits, unpacked at load",
        (*_mixed, _four_bits, _fused_gelu),
        calibrated=True,
    ),
    "paper": Scheme("the paper's recipe, dynamic 8 bits throughout: a control", (_paper,), control=True),
}
CALIBRATED = tuple(name for name, scheme in SCHEMES.items() if scheme.calibrated)


def write_scheme_files(source: Run | PreTrainedModel, folder: str | Path, calibration: Sequence) -> dict[str, Path]:
    """Writes <scheme>.onnx for every scheme, from what `export_onnx` takes; kept while what they are made of stays."""
    files = {scheme: Path(folder, f"{scheme}.onnx") for scheme in SCHEMES}
    origin, notes = _digest_origin(source, calibration), Path(folder, "made_of.json")
    made = json.loads(notes.read_text()) if notes.is_file() else {}
    for scheme, file in files.items():
        parts = [origin, SCHEMES[scheme].recipe]
        if not file.is_file() or made.get(scheme) != parts:
            export_onnx(source, file) if scheme == "fp32" else quantize(files["fp32"], scheme, file, calibration)
            made[scheme] = parts
            write_json(notes, made)
    return files


def _digest_origin(source: Run | PreTrainedModel, calibration: Sequence) -> str:
    """Changes with a model, what calibrates it, the code that writes its files, and the runtimes."""
    versions = [module.__version__ for module in (onnx, onnxruntime, torch)]
    parts = [*versions, *(digest_code(file) for pattern in CODE for file in sorted(PACKAGE.glob(pattern)))]
    if isinstance(source, Run):
        parts += [(source.path / name).read_bytes() for name in ("model/model.safetensors", "model/config.json", LAST)]
    else:
        parts += [repr(source.config), *(one.numpy(force=True) for one in source.state_dict().values())]
    parts = [one if isinstance(one, bytes) else np.asarray(one).tobytes() for one in (*parts, *(calibration or ()))]
    return hashlib.sha1(b"".join(parts)).hexdigest()[:12]


def _layers(model: ModelProto, operators: Collection[str]) -> list[str]:
    """Names of the nodes of these operators with weights of their own, behind spectrogram or first convolution."""
    weights = {tensor.name for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in operators and node.input[1] in weights]
    return [node.name for node in nodes if not _within(node, (*FRONT, FIRST))]


def _within(node: NodeProto, parts: Collection[str]) -> bool:
    return any(part in node.name for part in parts)


def _read(file: Path) -> tuple[ModelProto, dict[str, str]]:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; write it with export_onnx first.")
    try:
        model = onnx.load(file)
    except DecodeError:
        model = ModelProto()
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if (scheme := metadata.get("scheme")) != "fp32":
        reason = "is quantized already" if scheme else "is no ONNX file of this project"
        raise ValueError(f"{file} {reason}; quantize the file that export_onnx wrote.")
    return model, metadata


def _plain(model: ModelProto) -> ModelProto:
    """Keeps the file loadable: domains in use and no other, and no shapes that the new operators contradict."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    domains = sorted({node.domain for node in model.graph.node})
    model.ClearField("opset_import")
    model.opset_import.extend(onnx.helper.make_opsetid(domain, versions.get(domain, 1)) for domain in domains)
    model.graph.ClearField("value_info")
    model.ir_version = min(model.ir_version, IR)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's quantizers print, advise steps that are done already, and configure logging that has no handler."""
    handlers, disabled = logging.root.handlers[:], logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(disabled)
        logging.root.handlers[:] = handlers
