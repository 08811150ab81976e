"""The benchmark on a tiny model: everything is measured, nothing is NaN, and the arithmetic is right."""

import numpy as np
import pandas as pd
import pytest
from transformers import HubertConfig

from sercore.deployment import benchmark, cost, report
from sercore.deployment.export import export_onnx
from sercore.deployment.quantize import SCHEMES, quantize
from sercore.emotions import EMOTIONS
from sercore.training import build_classifier
from sercore.training.model import SCRATCH, SETTINGS
from sercore.training.runs import write_json


@pytest.fixture(scope="module")
def model():
    return build_classifier("tiny").eval()


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Two schemes that need no calibration."""
    folder = tmp_path_factory.mktemp("schemes")
    float_ = export_onnx(model, folder / "fp32.onnx")
    return {"fp32": float_, "w8": quantize(float_, "w8", folder / "w8.onnx")}


def test_a_file_is_described_by_what_is_in_it(files):
    told = benchmark.describe(files["fp32"])
    assert told["bytes"] == files["fp32"].stat().st_size and told["MiB"] == told["bytes"] / 2**20
    assert told["IR"] <= 8 and told["opset"] <= 18 and told["nodes"] == sum(told["operators"].values())


def test_integer_operators_are_named(files):
    table = benchmark.sizes(files)
    assert table.loc["fp32", "integer operators"] == "" and "DequantizeLinear" in table.loc["w8", "integer operators"]


def test_every_scheme_and_peer_is_timed_at_every_length(files, model):
    table = benchmark.latency_table(files, (0.5, 1), (1,), 3, benchmark.torch_peers(model))
    assert len(table) == 2 * 4 and (table["low"] <= table["median"]).all() and (table["median"] > 0).all()
    assert table["rtf"].to_numpy() == pytest.approx((table["median"] / table["seconds"]).to_numpy())


def test_models_take_turns():
    order = []
    benchmark.latencies({"a": lambda _: order.append("a"), "b": lambda _: order.append("b")}, 0.1, 2)
    assert order == ["a", "b"] * (benchmark.FIRST + 2)


def test_memory_grows_from_runtime_to_model_to_run(files):
    found = benchmark.peak_memory(files["fp32"], 1)
    assert 0 < found["runtime"] <= found["loaded"] <= found["running"]


def test_operator_times_name_the_convolutions(files):
    times = benchmark.operator_times(files["fp32"], 1, repeats=2)
    assert any("Conv" in name for name in times.index) and times.is_monotonic_decreasing and times.min() >= 0


def answered(changed: int) -> pd.DataFrame:
    """Two speakers, right but for the first few."""
    truth = list(EMOTIONS) * 6
    table = pd.DataFrame({"utterance": map(str, range(24)), "speaker": ["a", "b"] * 12, "truth": truth})
    table["predicted"] = ["anger" if row < changed else emotion for row, emotion in enumerate(truth)]
    one_hot = np.eye(4)[[EMOTIONS.index(emotion) for emotion in table["predicted"]]]
    return table.assign(**dict(zip(EMOTIONS, one_hot.T)))


def test_losses_are_against_float():
    """Eight of 24 answers become anger: two of them were, six change, three emotions lose two of six."""
    table = benchmark.losses({"fp32": answered(0), "w8": answered(8)}, draws=200)
    assert table.loc["fp32", "gain"] == 0 and table.loc["fp32", "agreement"] == 1
    assert table.loc["w8", "gain"] == pytest.approx(-0.25) and table.loc["w8", "agreement"] == pytest.approx(18 / 24)
    assert table.loc["w8", "drift_most"] == 1


def test_multiply_accumulates_of_the_real_geometry():
    """Counted by others for DistilHuBERT and 8 s: 27.8 billion, the second convolution 36 %, the positional one 6.8 %."""
    config = HubertConfig(**SCRATCH["distilhubert-scratch"], **SETTINGS)
    counts = cost.multiply_accumulates(config, 8)
    share = counts / counts.sum()
    assert counts.sum() / 1e9 == pytest.approx(27.8, abs=0.1)
    assert share["convolution 2"] == pytest.approx(0.36, abs=0.005)
    assert share["positional convolution"] == pytest.approx(0.068, abs=0.001)


def test_floors_are_work_over_rate():
    config = HubertConfig(**SCRATCH["tiny"], **SETTINGS)
    table = cost.floors(config, 1, {"fp32": 1e9})
    assert table["fp32 at least (ms)"].sum() == pytest.approx(cost.multiply_accumulates(config, 1).sum() / 1e6)
    assert table["share"].sum() == pytest.approx(1)


def test_rates_are_positive():
    assert all(rate > 1e8 for rate in cost.matrix_rates(repeats=2).values())


def test_what_runs_where_is_read_from_the_results(tmp_path, monkeypatch):
    monkeypatch.setattr(report.paths, "results_root", lambda: tmp_path)
    assert report.compatibility().empty
    (tmp_path / "open").mkdir()
    expected = {scheme: {"tone": [0.7, 0.1, 0.1, 0.1]} for scheme in SCHEMES}
    old = expected | {"paper": {"error": "NOT_IMPLEMENTED: ConvInteger"}, "w8": {"tone": [0.1, 0.7, 0.1, 0.1]}}
    write_json(tmp_path / "open" / "compatibility.json", {"models": {"tiny": {"expected": expected, "runtimes": {"onnxruntime-web 1.0 (wasm)": old}}}})
    told = report.compatibility().loc[("tiny", "web 1.0")]
    assert told["fp32"] == "0e+00" and told["paper"].startswith("refused: NOT_IMPLEMENTED")
    assert told["w8"].endswith("other answer")
