"""Quantized files say the same in fewer bytes, hold the operators promised, and know no tested speaker."""

import json
import logging
import sys
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment.export import export_onnx
from sercore.deployment.quantize import CALIBRATED, LEAST_UTTERANCES, METHODS, SCHEMES, quantize
from sercore.emotions import EMOTIONS
from sercore.training import build_classifier

RATE = 16_000  # Hz
SHIPPED = [scheme for scheme in SCHEMES if scheme not in ("fp32", "paper")]
TOLERANCE = 0.02  # of probabilities; they differ by ten times as much between the sounds below
PAPER_TOLERANCE = 0.05  # its first convolution is in 8 bits too
MIB_23 = 24_117_248  # bytes; what the 8-bit schemes may take of DistilHuBERT's geometry
MB_16 = 16_000_000  # bytes; what the 4-bit scheme may take


def spoken(seconds: float, emotion: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    voice = draw_voice(("female", "male")[seed % 2], rng)
    return speak(voice, express(emotion, 1.0), seconds, RATE, rng).astype(np.float32)


def random_model(backbone: str):
    """Random weights and biases, the last ones so large that answers differ from sound to sound."""
    torch.manual_seed(0)
    model = build_classifier(backbone)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.02)
        model.classifier.weight.mul_(100)
    return model.eval()


SOUNDS = [spoken(0.5 + 0.25 * seed, EMOTIONS[seed % 4], seed) for seed in range(8)]
CALIBRATION = [spoken(0.3, EMOTIONS[seed % 4], 100 + seed) for seed in range(20)] * (LEAST_UTTERANCES // 20)


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    return export_onnx(random_model("tiny"), tmp_path_factory.mktemp("float") / "fp32.onnx")


@pytest.fixture(scope="module")
def quantized(float_file):
    """File of a scheme, each written once."""
    made = {}

    def get(scheme: str):
        if scheme not in made:
            made[scheme] = quantize(float_file, scheme, float_file.with_name(f"{scheme}-made.onnx"), CALIBRATION)
        return made[scheme]

    return get


def probabilities(file) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["probabilities"], {"waveform": sound[None]})[0] for sound in SOUNDS])


def operators(file) -> Counter:
    return Counter(node.op_type for node in onnx.load(file).graph.node)


def metadata(file) -> dict:
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


def first_convolution(model):
    return next(node for node in model.graph.node if node.op_type in ("Conv", "ConvInteger"))


def first_filters(file) -> np.ndarray:
    model = onnx.load(file)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    return numpy_helper.to_array(weights[first_convolution(model).input[1]])


def before(model, node) -> Counter:
    """Operators that a node depends on."""
    makers = {output: maker for maker in model.graph.node for output in maker.output}
    found, waiting = {}, list(node.input)
    while waiting:
        maker = makers.get(waiting.pop())
        if maker is not None and maker.name not in found:
            found[maker.name] = maker.op_type
            waiting += maker.input
    return Counter(found.values())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_stays_close_to_float(scheme, float_file, quantized):
    expected = probabilities(float_file)
    assert np.ptp(expected, axis=0).max() > 10 * TOLERANCE
    found = probabilities(quantized(scheme))
    assert np.abs(found - expected).max() < (PAPER_TOLERANCE if scheme == "paper" else TOLERANCE)


def test_float_scheme_changes_no_number(float_file, quantized):
    assert np.array_equal(probabilities(quantized("fp32")), probabilities(float_file))


def test_weights_alone_leave_activations_float(quantized):
    found = operators(quantized("w8"))
    assert found["DequantizeLinear"] and not found["QuantizeLinear"] and not found["DynamicQuantizeLinear"]


def test_linear_layers_are_dynamic_beside_calibrated_convolutions(quantized):
    found = operators(quantized("w8a8-conv"))
    assert found["QuantizeLinear"] and found["MatMulInteger"]


def test_calibrated_scheme_scales_nothing_as_it_comes(quantized):
    found = operators(quantized("w8a8"))
    assert found["QuantizeLinear"] and not found["DynamicQuantizeLinear"] and not found["MatMulInteger"]


def test_transformer_weights_are_stored_in_four_bits(quantized):
    """Six linear layers and the positional convolution of the tiny backbone; the other layers have 8 bits."""
    model, wide = onnx.load(quantized("w8w4")), onnx.load(quantized("w8a8-conv"))
    sizes = {tensor.name: np.prod(tensor.dims) for tensor in (*wide.graph.initializer, *model.graph.initializer)}
    packed = {node.output[0]: node.input[0].replace("channels", "codes") for node in model.graph.node if node.input[0].endswith("_channels")}
    assert len(packed) == 7 and sum("pos_conv_embed" in name for name in packed) == 1
    assert all(sizes[name] == 2 * sizes[codes] for name, codes in packed.items())


def test_four_bits_run_as_eight(quantized, tmp_path):
    """Once loaded, the same operators are left, so that the smaller file is no slower."""
    left = {}
    for scheme in ("w8a8-conv", "w8w4"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{scheme}.onnx")
        onnxruntime.InferenceSession(quantized(scheme), options, providers=["CPUExecutionProvider"])
        left[scheme] = operators(options.optimized_model_filepath)
    assert left["w8w4"] == left["w8a8-conv"]


@pytest.mark.parametrize("scheme", SHIPPED)
def test_shipped_files_need_nothing_newer_than_onnx_runtime_1_17(scheme, quantized):
    """Its highest opset is 20 and its highest IR 9; it refuses unknown domains, and ConvInteger with int8 weights."""
    model = onnx.load(quantized(scheme))
    assert model.ir_version <= 8
    assert {entry.domain: entry.version for entry in model.opset_import}.pop("") <= 18
    assert {entry.domain for entry in model.opset_import} == {node.domain for node in model.graph.node}
    assert {node.op_type for node in model.graph.node if node.domain} <= {"Gelu"}
    assert not operators(quantized(scheme))["ConvInteger"]
    assert not model.graph.value_info


def test_paper_recipe_quantizes_every_convolution_as_it_comes(quantized):
    found = operators(quantized("paper"))
    assert found["ConvInteger"] and not found["Conv"]


@pytest.mark.parametrize("scheme", SHIPPED)
def test_first_convolution_stays_float(scheme, float_file, quantized):
    assert np.array_equal(first_filters(quantized(scheme)), first_filters(float_file))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_preprocessing_stays_float(scheme, float_file, quantized):
    model, source = onnx.load(quantized(scheme)), onnx.load(float_file)
    added = before(model, first_convolution(model)) - before(source, first_convolution(source))
    assert set(added) <= ({"DynamicQuantizeLinear"} if scheme == "paper" else set())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_metadata_is_kept_and_extended(scheme, float_file, quantized):
    kept, found = metadata(float_file), metadata(quantized(scheme))
    facts = json.loads(found["quantization"])
    assert found["scheme"] == scheme
    assert {name: found[name] for name in kept if name != "scheme"} == {n: v for n, v in kept.items() if n != "scheme"}
    assert facts["calibration"] == ({"method": "percentile", "utterances": 200} if scheme in CALIBRATED else None)
    assert facts["per_channel"] == (scheme in SHIPPED) and bool(facts["layers"]) == (scheme != "fp32")


def test_fewer_bits_take_fewer_bytes(quantized):
    sizes = {scheme: quantized(scheme).stat().st_size for scheme in SCHEMES}
    assert sizes["fp32"] > 2 * max(sizes[scheme] for scheme in SCHEMES if scheme != "fp32")


def test_distilhubert_keeps_within_its_bytes(tmp_path, monkeypatch):
    """Bytes do not depend on how many waveforms calibrate, so one of noise does here."""
    monkeypatch.setattr(sys.modules[quantize.__module__], "LEAST_UTTERANCES", 1)
    noise = [np.random.default_rng(0).normal(0, 0.1, 1600).astype(np.float32)]
    source = export_onnx(random_model("distilhubert-scratch"), tmp_path / "fp32.onnx")
    sizes = {scheme: quantize(source, scheme, tmp_path / f"{scheme}.onnx", noise).stat().st_size for scheme in SHIPPED}
    assert max(sizes.values()) <= MIB_23 and sizes["w8w4"] <= MB_16


@pytest.mark.parametrize("scheme", ["w8", "w8a8-conv", "w8a8"])
def test_reduced_range_takes_seven_bits(scheme, float_file, tmp_path):
    file = quantize(float_file, scheme, tmp_path / "7.onnx", CALIBRATION, reduce_range=True, method="minmax")
    integers = [tensor for tensor in onnx.load(file).graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert max(np.abs(numpy_helper.to_array(tensor).astype(int)).max() for tensor in integers) in (63, 64)


def test_signed_activations_are_signed(float_file, tmp_path):
    model = onnx.load(quantize(float_file, "w8a8", tmp_path / "s8.onnx", CALIBRATION, signed=True, method="minmax"))
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    points = {arrays[node.input[2]].data_type for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert points == {onnx.TensorProto.INT8}


@pytest.mark.parametrize("method", [method for method in METHODS if method != "percentile"])
def test_every_other_calibration_method_stays_close_to_float(method, float_file, tmp_path):
    file = quantize(float_file, "w8a8-conv", tmp_path / "m.onnx", CALIBRATION, method=method)
    assert np.abs(probabilities(file) - probabilities(float_file)).max() < 3 * TOLERANCE
    assert json.loads(metadata(file)["quantization"])["calibration"]["method"] == method


def test_quantizing_is_quiet_and_leaves_logging_alone(float_file, tmp_path, capfd):
    handlers, level = logging.root.handlers[:], logging.root.level
    quantize(float_file, "w8w4", tmp_path / "q.onnx", CALIBRATION, method="minmax")
    assert capfd.readouterr() == ("", "")
    assert (logging.root.handlers, logging.root.level, logging.root.manager.disable) == (handlers, level, 0)


@pytest.mark.parametrize("scheme", CALIBRATED)
def test_too_few_waveforms_are_refused(scheme, float_file, tmp_path):
    with pytest.raises(ValueError, match=f"{scheme} calibrates with 200 or more waveforms; there are 199"):
        quantize(float_file, scheme, tmp_path / "q.onnx", CALIBRATION[:199])
    with pytest.raises(ValueError, match="there are 0"):
        quantize(float_file, scheme, tmp_path / "q.onnx")


def test_unknown_names_are_refused_with_the_known_ones(float_file, tmp_path):
    with pytest.raises(ValueError, match="'int8'; choose one of fp32, w8, w8a8-conv, w8a8, w8w4, paper"):
        quantize(float_file, "int8", tmp_path / "q.onnx")
    with pytest.raises(ValueError, match="'max'; choose one of minmax, average, percentile, entropy"):
        quantize(float_file, "w8a8", tmp_path / "q.onnx", CALIBRATION, method="max")


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "fp32"])
def test_quantized_file_is_not_quantized_again(scheme, quantized, tmp_path):
    with pytest.raises(ValueError, match="is quantized already"):
        quantize(quantized(scheme), "w8", tmp_path / "twice.onnx")


@pytest.mark.parametrize("content", [b"", b"no protocol buffer", b"\x08\x08"])
def test_file_that_is_no_model_is_refused(content, tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is no ONNX file of a model that takes a waveform"):
        quantize(file, "w8", tmp_path / "q.onnx")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.onnx: no such file"):
        quantize(tmp_path / "absent.onnx", "w8", tmp_path / "q.onnx")


def test_failed_write_leaves_nothing(float_file, tmp_path):
    (tmp_path / "q.onnx").mkdir()  # where the file should go
    with pytest.raises(OSError, match="cannot write .*q.onnx"):
        quantize(float_file, "w8", tmp_path / "q.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["q.onnx"]
