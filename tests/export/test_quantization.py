"""Quantized files predict the same in fewer bytes, with the operators promised; no tested speaker calibrates."""

import json
import logging
import shutil
from collections import Counter
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, numpy_helper

from sercore.data import Split
from sercore.export import (
    CALIBRATED,
    METHODS,
    SCHEMES,
    export_onnx,
    quantization,
    quantize,
    sample_calibration,
    write_scheme_files,
)
from sercore.labels import EMOTIONS
from sercore.paths import PACKAGE

RATE = 16_000  # Hz
SHIPPED = [name for name, scheme in SCHEMES.items() if scheme.steps and not scheme.control]
TOLERANCE = 0.02  # of probabilities; they differ by ten times as much between the sounds below
TOLERANCES = dict.fromkeys(SHIPPED, TOLERANCE) | {"fp32": 0, "paper": 0.05}  # its first convolution is in 8 bits too
GAINS = {"tiny": 100, "whisper": 20, "student": 50}
of_all_kinds = pytest.mark.parametrize("files", GAINS, indirect=True)
# The student's random weights tell sounds apart too little for weights in 8 bits alone, or in 4.
CLOSE = [*product(("tiny", "whisper"), SCHEMES), ("student", "w8a8-conv"), ("student", "w8a8")]


@pytest.fixture(scope="module")
def sounds(voice):
    return [voice(0.5 + 0.25 * seed, EMOTIONS[seed % 4], seed) for seed in range(8)]


@pytest.fixture(scope="module")
def calibration(voice):
    return [voice(0.3, EMOTIONS[seed % 4], 100 + seed) for seed in range(20)] * 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("schemes")


@pytest.fixture(scope="module", params=["tiny"])
def files(request, random_model, calibration, folder):
    """One file of each scheme, of a backbone."""
    model = random_model(request.param, GAINS[request.param])
    return write_scheme_files(model, folder / request.param, calibration)


def probabilities(file, sounds) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["probabilities"], {"waveform": sound[None]})[0] for sound in sounds])


def operators(file) -> Counter:
    return Counter(node.op_type for node in onnx.load(file).graph.node)


def metadata(file) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


@pytest.mark.parametrize(("files", "scheme"), CLOSE, indirect=["files"])
def test_every_scheme_loads_and_stays_close_to_float(scheme, files, sounds):
    expected = probabilities(files["fp32"], sounds)
    assert np.ptp(expected, axis=0).max() > 10 * TOLERANCE
    assert np.abs(probabilities(files[scheme], sounds) - expected).max() <= TOLERANCES[scheme]


@of_all_kinds
@pytest.mark.parametrize("scheme", SHIPPED)
def test_shipped_files_need_nothing_newer_than_onnx_runtime_1_17(scheme, files):
    """Its highest opset is 20 and its highest IR 9; it refuses unknown domains, and ConvInteger with int8 weights."""
    model = onnx.load(files[scheme])
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert model.ir_version <= 8 and versions[""] <= 18
    assert set(versions) == {node.domain for node in model.graph.node}
    assert {node.op_type for node in model.graph.node if node.domain} <= {"Gelu"}
    assert not operators(files[scheme])["ConvInteger"] and not model.graph.value_info


def test_schemes_have_the_operators_that_they_promise(files):
    found = {scheme: operators(file) for scheme, file in files.items()}
    assert found["paper"]["ConvInteger"] and not found["paper"]["Conv"]
    assert found["w8"]["DequantizeLinear"] and not found["w8"]["QuantizeLinear"]
    assert found["w8a8-conv"]["MatMulInteger"] and found["w8a8-conv"]["QuantizeLinear"]
    assert not found["w8a8"]["MatMulInteger"]


@pytest.mark.parametrize(
    ("files", "packed"), [("tiny", 4 + 2 + 1), ("whisper", 12), ("student", 12)], indirect=["files"]
)
def test_transformer_weights_take_four_bits(files, packed):
    """Of each layer four of attention and two of feed-forward; HuBERT's positional convolution."""
    assert operators(files["w8w4"])["BitShift"] == packed


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("files", ["whisper", "student"], indirect=True)
def test_spectrogram_stays_float(files, scheme):
    """8 bits do not hold its eight decades of power; the rest is quantized from the first convolution on."""
    found, kept = ([n for n in onnx.load(files[s]).graph.node if "/log_mel/" in n.name] for s in (scheme, "fp32"))
    front = [[node for node in nodes if not node.op_type.endswith("Linear")] for nodes in (found, kept)]
    assert [node.op_type for node in front[0]] == [node.op_type for node in front[1]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_preprocessing_and_first_convolution_stay_float(scheme, files):
    nodes = onnx.load(files[scheme]).graph.node
    chain = Counter(node.op_type for node in onnx.load(files["fp32"]).graph.node if node.name.startswith("/chain/"))
    assert Counter(node.op_type for node in nodes if node.name.startswith("/chain/")) == chain
    assert SCHEMES[scheme].control or next(node for node in nodes if node.op_type == "Conv").input[1].endswith("weight")


@of_all_kinds
def test_four_bits_run_as_eight(files, tmp_path):
    """Once loaded, the same operators are left, so that the smaller file is no slower."""
    left = {}
    for scheme in ("w8a8-conv", "w8w4"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{scheme}.onnx")
        onnxruntime.InferenceSession(files[scheme], options, providers=["CPUExecutionProvider"])
        left[scheme] = operators(options.optimized_model_filepath)
    assert left["w8w4"] == left["w8a8-conv"]


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "fp32"])
def test_metadata_is_kept_and_extended(scheme, files):
    kept, found = metadata(files["fp32"]), metadata(files[scheme])
    facts = json.loads(found.pop("quantization"))
    assert found == kept | {"scheme": scheme}
    assert facts["calibration"] == ({"method": "percentile", "utterances": 200} if scheme in CALIBRATED else None)
    assert facts["layers"] and facts["per_channel"] == (scheme in SHIPPED)
    assert ("first convolution" in facts["float"]) == (scheme in SHIPPED)


def test_distilhubert_keeps_within_its_bytes(random_model, tmp_path, monkeypatch):
    """23 MiB in 8 bits, 16 MB with 4. Bytes do not depend on how many waveforms calibrate; one of noise does here."""
    monkeypatch.setattr(quantization, "MIN_UTTERANCES", 1)
    noise = [np.random.default_rng(0).normal(0, 0.1, 1600).astype(np.float32)]
    source = export_onnx(random_model("distilhubert-scratch"), tmp_path / "fp32.onnx")
    schemes = ("w8a8-conv", "w8w4")
    files = {name: quantize(source, name, tmp_path / f"{name}.onnx", noise, method="minmax") for name in schemes}
    sizes = {scheme: file.stat().st_size for scheme, file in files.items()}
    assert sizes["w8a8-conv"] <= 23 * 2**20 and sizes["w8w4"] <= 16_000_000


def test_scheme_is_added_in_one_place(files, random_model, calibration, tmp_path, monkeypatch):
    steps = *SCHEMES["w8"].steps, *SCHEMES["w8a8"].steps[1:]
    monkeypatch.setitem(SCHEMES, "w8-gelu", quantization.Scheme("w8 and GELU", steps))
    shutil.copytree(files["fp32"].parent, tmp_path, dirs_exist_ok=True)
    before = {name: (tmp_path / f"{name}.onnx").stat().st_mtime_ns for name in files}
    found = write_scheme_files(random_model("tiny", GAINS["tiny"]), tmp_path, calibration)
    assert {name: found[name].stat().st_mtime_ns for name in files} == before, "the others are kept"
    assert list(found) == [*files, "w8-gelu"] and metadata(found["w8-gelu"])["scheme"] == "w8-gelu"
    assert operators(found["w8-gelu"])["Gelu"] and operators(found["w8-gelu"])["DequantizeLinear"]
    assert all(isinstance(scheme.recipe, str) and scheme.recipe for scheme in SCHEMES.values())


@pytest.mark.parametrize("changed", ["weights", "recipe", "opset"])
def test_a_kept_file_is_made_anew_when_what_it_is_made_of_changes(changed, random_model, tmp_path, monkeypatch):
    """Weights and code (the opset is a constant of it) are in all files, a recipe in its own."""
    monkeypatch.setattr(quantization, "SCHEMES", {name: SCHEMES[name] for name in ("fp32", "w8")})
    package = shutil.copytree(PACKAGE, tmp_path / "sercore", ignore=shutil.ignore_patterns("models", "*.onnx"))
    monkeypatch.setattr(quantization, "PACKAGE", package)
    files = write_scheme_files(random_model("tiny"), tmp_path / "onnx", ())
    before = {name: file.stat().st_mtime_ns for name, file in files.items()}
    if changed == "recipe":
        monkeypatch.setitem(quantization.SCHEMES, "w8", SCHEMES["w8"]._replace(recipe="another"))
    if changed == "opset":
        file = package / "export" / "onnx_export.py"
        file.write_text(file.read_text().replace("OPSET, IR = 17, 8", "OPSET, IR = 18, 8"))
    write_scheme_files(random_model("tiny", 21 if changed == "weights" else 20), tmp_path / "onnx", ())
    anew = {name for name, file in files.items() if file.stat().st_mtime_ns != before[name]}
    assert anew == ({"w8"} if changed == "recipe" else {"fp32", "w8"})


@pytest.mark.parametrize("scheme", ["w8", "w8a8-conv", "w8a8"])
def test_reduced_range_takes_seven_bits(scheme, files, calibration, tmp_path):
    file = quantize(files["fp32"], scheme, tmp_path / "7.onnx", calibration, reduce_range=True, method="minmax")
    integers = [tensor for tensor in onnx.load(file).graph.initializer if tensor.data_type == TensorProto.INT8]
    assert max(np.abs(numpy_helper.to_array(tensor).astype(int)).max() for tensor in integers) in (63, 64)


def test_signed_activations_are_signed(files, calibration, tmp_path):
    model = onnx.load(quantize(files["fp32"], "w8a8", tmp_path / "s.onnx", calibration, signed=True, method="minmax"))
    arrays = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert {arrays[n.input[2]] for n in model.graph.node if n.op_type == "QuantizeLinear"} == {TensorProto.INT8}


@pytest.mark.parametrize("method", [method for method in METHODS if method != "percentile"])
def test_every_other_calibration_method_stays_close_to_float(method, files, calibration, sounds, tmp_path):
    file = quantize(files["fp32"], "w8a8-conv", tmp_path / "m.onnx", calibration, method=method)
    assert np.abs(probabilities(file, sounds) - probabilities(files["fp32"], sounds)).max() < 3 * TOLERANCE
    assert json.loads(metadata(file)["quantization"])["calibration"]["method"] == method


def test_quantizing_is_quiet_and_leaves_logging_alone(files, calibration, tmp_path, capfd):
    handlers, level = logging.root.handlers[:], logging.root.level
    quantize(files["fp32"], "w8w4", tmp_path / "q.onnx", calibration, method="minmax")
    assert capfd.readouterr() == ("", "")
    assert (logging.root.handlers, logging.root.level, logging.root.manager.disable) == (handlers, level, 0)


def test_mistakes_are_named_in_one_line(files, calibration, tmp_path):
    file = tmp_path / "q.onnx"
    with pytest.raises(ValueError, match="w8a8 calibrates with 150 or more waveforms; there are 149"):
        quantize(files["fp32"], "w8a8", file, calibration[:149])
    with pytest.raises(ValueError, match="'int8'; choose one of fp32, w8, w8a8-conv, w8a8, w8w4, paper"):
        quantize(files["fp32"], "int8", file)
    with pytest.raises(ValueError, match="'max'; choose one of minmax, average, percentile, entropy"):
        quantize(files["fp32"], "w8a8", file, calibration, method="max")
    with pytest.raises(ValueError, match="is quantized already"):
        quantize(files["paper"], "w8", file)
    with pytest.raises(FileNotFoundError, match=r"absent.onnx: no such file"):
        quantize(tmp_path / "absent.onnx", "w8", file)
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"no protocol buffer", b"\x08\x08"])
def test_file_that_is_no_model_is_refused(content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"model.onnx is no ONNX file of this project"):
        quantize(tmp_path / "model.onnx", "w8", tmp_path / "q.onnx")


def test_failed_write_leaves_nothing(files, tmp_path):
    (tmp_path / "q.onnx").mkdir()  # where the file should go
    with pytest.raises(OSError, match=r"cannot write .*q.onnx"):
        quantize(files["fp32"], "w8", tmp_path / "q.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["q.onnx"]


@pytest.fixture
def split(monkeypatch):
    """Four speakers who train, 100 utterances each, half angry; e validates, f tests; a path is its own waveform."""
    monkeypatch.setattr(quantization, "read_audio", lambda path: path)
    emotions = np.repeat(EMOTIONS, [50, 20, 20, 10])
    parts = [pd.DataFrame({"speaker": name, "emotion": emotions, "duration": range(100)}) for name in "abcdef"]
    table = pd.concat(parts, ignore_index=True).assign(corpus="made-up", path=range(600))
    return Split(table[table["speaker"] < "e"], table[table["speaker"] == "e"], table[table["speaker"] == "f"])


def test_calibration_sample_has_every_emotion_in_its_share_and_every_duration(split):
    sample = split.train.loc[sample_calibration(split, 200)]
    assert sample["path"].is_unique and len(sample) == 200
    assert sample["emotion"].value_counts()[[*EMOTIONS]].tolist() == [100, 40, 40, 20]
    assert sample.loc[sample["emotion"] == "anger", "duration"].value_counts().between(1, 3).all()
    assert sample_calibration(split, seed=1) != sample_calibration(split) == sample_calibration(split)


@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_speaker_who_is_held_out_does_not_calibrate(held_out, split):
    parts = split.parts | {held_out: split.parts[held_out].assign(speaker="c")}
    with pytest.raises(ValueError, match=r"speaker made-up/c \(1 in all\) is in training and in validation or test"):
        sample_calibration(Split(**parts))


def test_too_few_training_utterances_are_counted(split):
    with pytest.raises(ValueError, match="calibration needs 500 training utterances; there are 400"):
        sample_calibration(split, count=500)
