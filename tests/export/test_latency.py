"""What a file costs: everything is measured, nothing is NaN, and the arithmetic is right."""

import pytest

from sercore.export import export_onnx, latency, quantize


@pytest.fixture(scope="module")
def model(random_model):
    return random_model("tiny")


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Two schemes that need no calibration."""
    folder = tmp_path_factory.mktemp("schemes")
    source = export_onnx(model, folder / "fp32.onnx")
    return {"fp32": source, "w8": quantize(source, "w8", folder / "w8.onnx")}


def test_file_is_described_by_what_is_in_it(files):
    facts = latency.describe_file(files["fp32"])
    assert facts["bytes"] == files["fp32"].stat().st_size == facts["MiB"] * 2**20 == facts["MB"] * 10**6
    assert facts["IR"] <= 8 and facts["opset"] <= 18 and facts["nodes"] == sum(facts["operators"].values())


def test_every_scheme_and_peer_is_timed_at_every_length(files, model):
    table = latency.tabulate_latency(files, (0.5, 1), (1,), 3, latency.make_torch_peers(model))
    assert len(table) == 2 * 4 and table["scheme"].nunique() == 4 and set(table["seconds"]) == {0.5, 1}
    assert (table["low"] > 0).all() and (table["low"] <= table["median"]).all()
    assert (table["median"] <= table["high"]).all()
    assert table["rtf"].to_numpy() == pytest.approx((table["median"] / table["seconds"]).to_numpy())


def test_models_take_turns():
    order = []
    latency.measure_latency({"a": lambda _: order.append("a"), "b": lambda _: order.append("b")}, 0.1, 2)
    assert order == ["a", "b"] * (latency.WARM_UP + 2)


def test_files_are_loaded(files):
    assert all(0 < seconds < 60 for seconds in latency.measure_load(files, 2).values())
