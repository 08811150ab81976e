"""From an exported file to a smaller or faster one: onnxruntime's quantizers, and speech to calibrate them with."""

import json
import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization import quantize_dynamic, quantize_static
from onnxruntime.transformers.fusion_gelu import FusionGelu
from onnxruntime.transformers.onnx_model import OnnxModel

from sercore.data import Split, read_audio, shared_speakers
from sercore.deployment.packing import BLOCK, pack

SCHEMES = {
    "fp32": "32-bit float, as exported",
    "w8": "8-bit weights, arithmetic in float",
    "w8a8-conv": "8-bit convolutions (calibrated) and linear layers (ranges as they come)",
    "w8a8": "8-bit convolutions and linear layers, both calibrated",
    "w8w4": "as w8a8-conv, transformer weights stored in 4 bits, unpacked at load",
    "paper": "the paper's recipe, dynamic 8 bits throughout: a control",
}
CALIBRATED = ("w8a8-conv", "w8a8", "w8w4")
LEAST_UTTERANCES = 200  # for calibration
IR = 8  # newest file format to write; ONNX Runtime 1.17 reads up to 9

# What the recipes touch, all of it behind the first convolution. The rest stays float.
CONVOLUTIONS, LINEAR = ["Conv"], ["MatMul"]
WEIGHTED = {"Conv": 0, "MatMul": 1, "Gemm": 0}  # all operators with weights: axis of the output channels
FOUR_BITS = ("/feed_forward/", "/attention/", "/pos_conv_embed/")  # in the names of the layers whose weights take 4 bits
QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}  # any quantized file has one

# How the range of an activation is found: the extremes over all utterances, the mean of each utterance's extremes,
# all but the outermost 0.01 % of the values, or what loses least entropy. Strides of 1 keep one utterance in memory.
METHODS = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "average": (CalibrationMethod.MinMax, {"CalibMovingAverage": True}),
    "percentile": (CalibrationMethod.Percentile, {"CalibPercentile": 99.99, "CalibStridedMinMax": 1}),
    "entropy": (CalibrationMethod.Entropy, {"CalibStridedMinMax": 1}),
}


def calibration_sample(
    split: Split, read: Callable[[str], np.ndarray] = read_audio, count: int = LEAST_UTTERANCES, seed: int = 0
) -> list[np.ndarray]:
    """Draws training utterances to calibrate with, as recorded: every emotion in its share, over all its lengths.

    Args:
        split: from `load_split`.
        read: gives the waveform of a path, float32 (samples,) at 16 kHz.
        count: how many.
        seed: of the draw.

    Raises:
        ValueError: a training speaker is in the validation or test part too, or there are too few utterances.
    """
    shared = shared_speakers(replace(split, test=pd.concat([split.validation, split.test])))
    if shared:
        who = f"speaker {shared[0]} ({len(shared)} in all)"
        raise ValueError(f"{who} is in training and in validation or test; calibrate with a split that shares none.")
    if len(split.train) < count:
        raise ValueError(f"calibration needs {count} training utterances; there are {len(split.train)}.")
    files = split.train.sort_values(["emotion", "duration"], kind="stable")["path"].to_numpy()
    generator = np.random.default_rng(seed)
    return [read(generator.choice(stratum)) for stratum in np.array_split(files, count)]


def quantize(
    onnx_file: str | Path,
    scheme: str,
    file: str | Path,
    calibration: Sequence[np.ndarray] | None = None,
    reduce_range: bool = False,
    signed: bool = False,
    method: str = "percentile",
) -> Path:
    """Writes a quantized copy of an exported file, whole or not at all.

    The preprocessing inside the graph stays float, and so does the first convolution, save in `paper`. The copy keeps
    all metadata; its `scheme` and `quantization` (JSON) say what was done.

    Args:
        onnx_file: from `export_onnx`.
        scheme: one of `SCHEMES`.
        file: where to write.
        calibration: waveforms (samples,) of training speech as recorded, at 16 kHz, from `calibration_sample`; at
            least `LEAST_UTTERANCES` for the schemes in `CALIBRATED`, the others need none.
        reduce_range: 7-bit weights, for x86 processors without VNNI, where sums of 8-bit products can overflow.
        signed: calibrated activations as int8 instead of uint8, for ARM.
        method: of calibration, one of `METHODS`; "minmax" takes a third of the default's time and drifts more.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not such a file or a quantized one, an unknown scheme or method, or too few waveforms.
    """
    for argument, name, known in (("scheme", scheme, SCHEMES), ("method", method, METHODS)):
        if name not in known:
            raise ValueError(f"{argument} is {name!r}; choose one of {', '.join(known)}.")
    waveforms = calibration or ()
    if scheme in CALIBRATED and len(waveforms) < LEAST_UTTERANCES:
        raise ValueError(f"{scheme} calibrates with {LEAST_UTTERANCES} or more waveforms; there are {len(waveforms)}.")
    settings = {"waveforms": waveforms, "reduce_range": reduce_range, "signed": signed, "method": method}
    model, layers = _read(Path(onnx_file)), {}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    with tempfile.TemporaryDirectory() as folder, _quiet():
        here = Path(folder) / "model.onnx"
        for step in STEPS[scheme]:
            onnx.save(_plain(model), here)
            layers |= step(here, **settings)
            model = onnx.load(here)
    facts = {"layers": layers, "per_channel": scheme not in ("fp32", "paper"), "reduce_range": reduce_range}
    facts["float"] = "preprocessing, operators not in layers" + ", first convolution" * (scheme != "paper")
    facts["calibration"] = {"method": method, "utterances": len(waveforms)} if scheme in CALIBRATED else None
    onnx.helper.set_model_props(model, metadata | {"scheme": scheme, "quantization": json.dumps(facts)})
    return _write(_plain(model), Path(file))


class _Waveforms(CalibrationDataReader):
    """Hands the waveforms out one by one, so that none is padded."""

    def __init__(self, waveforms: Sequence[np.ndarray]):
        self.waveforms, self.left = waveforms, iter(waveforms)

    def __len__(self) -> int:
        return len(self.waveforms)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.left = iter(self.waveforms[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        waveform = next(self.left, None)
        return None if waveform is None else {"waveform": np.asarray(waveform, np.float32)[None]}


def _calibrated(operators: list, file: Path, waveforms: list, reduce_range: bool, signed: bool, method: str) -> dict:
    """QuantizeLinear and DequantizeLinear around each layer, which onnxruntime fuses with it when it loads the file."""
    kind, options = METHODS[method]
    quantize_static(
        file,
        file,
        _Waveforms(waveforms),
        activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=operators,
        nodes_to_quantize=[layer.name for layer in _layers(onnx.load(file), operators)],
        per_channel=True,
        reduce_range=reduce_range,
        calibrate_method=kind,
        # A linear layer's output stays float: onnxruntime multiplies in 8 bits and rescales in one operator.
        extra_options=options | {"OpTypesToExcludeOutputQuantization": LINEAR, "CalibTensorRangeSymmetric": False},
    )
    return dict.fromkeys(operators, {"weights": "int8", "activations": f"{'int8' if signed else 'uint8'}, calibrated"})


def _as_they_come(file: Path, reduce_range: bool, **_) -> dict:
    """MatMulInteger over activations whose range is taken anew each time."""
    names = [layer.name for layer in _layers(onnx.load(file), LINEAR)]
    quantize_dynamic(file, file, LINEAR, per_channel=True, reduce_range=reduce_range, nodes_to_quantize=names)
    return dict.fromkeys(LINEAR, {"weights": "int8", "activations": "uint8, dynamic"})


def _four_bits(file: Path, **_) -> dict:
    """Stores the int8 weights of the layers named in `FOUR_BITS` as 4-bit codes."""
    model = onnx.load(file)
    behind = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "MatMulInteger")]
    pack(model, {behind.get(n.input[1], n.input[1]) for n in layers if any(part in n.name for part in FOUR_BITS)})
    onnx.save(model, file)
    return {"stored in 4 bits": {"layers": [part.strip("/") for part in FOUR_BITS], "block": BLOCK}}


def _fused_gelu(file: Path, **_) -> dict:
    """Writes GELU as one operator: onnxruntime no longer recognizes its parts between two quantized layers."""
    model = OnnxModel(onnx.load(file))
    FusionGelu(model).apply()
    model.topological_sort()
    onnx.save(model.model, file)
    return {}


def _eight_bit_weights(file: Path, reduce_range: bool, **_) -> dict:
    """Each weight as int8 behind a DequantizeLinear, by hand: the quantizers would take the activations along."""
    model = onnx.load(file)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, axis in {layer.input[1]: WEIGHTED[layer.op_type] for layer in _layers(model, WEIGHTED)}.items():
        weight, parts = numpy_helper.to_array(weights[name]), [f"{name}_quantized", f"{name}_scale"]
        peak = np.abs(weight).max(tuple({*range(weight.ndim)} - {axis}), keepdims=True)
        scale = np.where(peak > 0, peak, 1) / np.float32(63 if reduce_range else 127)
        model.graph.initializer.remove(weights[name])
        arrays = np.rint(weight / scale).astype(np.int8), scale.ravel()
        model.graph.initializer.extend(map(numpy_helper.from_array, arrays, parts))
        model.graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", parts, [name], parts[0], axis=axis))
    onnx.save(model, file)
    return dict.fromkeys(WEIGHTED, {"weights": "int8", "activations": "float32"})


def _paper(file: Path, reduce_range: bool, **_) -> dict:
    """quantize_dynamic over all operator types, kept off the preprocessing, which the paper's file does not hold."""
    # Unsigned weights: ConvInteger with signed ones does not load before ONNX Runtime 1.24, and is slower than float.
    model = onnx.load(file)
    inside = {node.name for node in _behind_preprocessing(model)}
    outside = [node.name for node in model.graph.node if node.name not in inside]
    quantize_dynamic(file, file, nodes_to_exclude=outside, reduce_range=reduce_range, weight_type=QuantType.QUInt8)
    return dict.fromkeys(WEIGHTED, {"weights": "uint8", "activations": "uint8, dynamic"})


STEPS = {
    "fp32": (),
    "w8": (_eight_bit_weights,),
    "w8a8-conv": (partial(_calibrated, CONVOLUTIONS), _as_they_come, _fused_gelu),
    "w8a8": (partial(_calibrated, CONVOLUTIONS + LINEAR), _fused_gelu),
    "w8w4": (partial(_calibrated, CONVOLUTIONS), _as_they_come, _four_bits, _fused_gelu),
    "paper": (_paper,),
}


def _layers(model: ModelProto, operators: Collection[str]) -> list[NodeProto]:
    """Nodes of these operators behind the first convolution; of operators with weights, those that own one."""
    weights = {tensor.name for tensor in model.graph.initializer}
    nodes = _behind_preprocessing(model)[1:]
    return [n for n in nodes if n.op_type in operators and (n.op_type not in WEIGHTED or n.input[1] in weights)]


def _behind_preprocessing(model: ModelProto) -> list[NodeProto]:
    """The first convolution with several filters, and every node that it reaches."""
    filters = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if len(tensor.dims) == 3}
    reached, nodes = set(), []
    for node in model.graph.node:
        first = not nodes and node.op_type == "Conv" and filters.get(node.input[1], 1) > 1
        if first or reached.intersection(node.input):
            reached.update(node.output)
            nodes.append(node)
    return nodes


def _read(file: Path) -> ModelProto:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; write it with export_onnx first.")
    try:
        model = onnx.load(file)
    except DecodeError:
        model = ModelProto()
    if QUANTIZED & {node.op_type for node in model.graph.node}:
        raise ValueError(f"{file} is quantized already; quantize the file that export_onnx wrote.")
    if [entry.name for entry in model.graph.input] != ["waveform"] or not _behind_preprocessing(model):
        raise ValueError(f"{file} is no ONNX file of a model that takes a waveform; write one with export_onnx.")
    return model


def _plain(model: ModelProto) -> ModelProto:
    """Keeps the file loadable: domains in use and no other, and no shapes that the new operators contradict."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    domains = sorted({node.domain for node in model.graph.node})
    model.ClearField("opset_import")
    model.opset_import.extend(onnx.helper.make_opsetid(domain, versions.get(domain, 1)) for domain in domains)
    model.graph.ClearField("value_info")
    model.ir_version = min(model.ir_version, IR)
    return model


def _write(model: ModelProto, file: Path) -> Path:
    """Checks, writes beside the file and renames."""
    onnx.checker.check_model(model)
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, part)
        part.replace(file)
    except OSError as error:
        raise OSError(f"cannot write {file}: {error}; free space or name another file.") from None
    finally:
        part.unlink(missing_ok=True)
    return file


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's quantizers print, advise steps that are done already, and configure logging that has no handler."""
    handler, disabled = logging.NullHandler(), logging.root.manager.disable
    logging.root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(disabled)
        logging.root.removeHandler(handler)
