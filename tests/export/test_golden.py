"""What runs in every runtime of the compatibility table: the golden waveforms through each file of a folder."""

import json
import subprocess
import sys

import pytest

from sercore.export import export_onnx
from sercore.paths import PROJECT


@pytest.fixture
def waveforms(monkeypatch) -> dict[str, str]:
    monkeypatch.syspath_prepend(str(PROJECT / "workflow"))
    from compatibility import make_waveforms

    return make_waveforms()


def test_golden_waveforms_are_those_of_the_recorded_measurement(waveforms):
    recorded = json.loads((PROJECT / "results" / "open" / "compatibility.json").read_text())
    assert waveforms == recorded["waveforms"]


def test_each_file_gives_probabilities_or_the_first_line_of_its_error(waveforms, random_model, tmp_path):
    export_onnx(random_model("tiny"), tmp_path / "fp32.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "golden.json").write_text(json.dumps({"waveforms": waveforms}))
    command = [sys.executable, PROJECT / "workflow" / "golden.py", tmp_path, tmp_path / "golden.json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["runtime"].startswith("onnxruntime 1.")
    assert [sum(row) for row in found["schemes"]["fp32"].values()] == pytest.approx([1, 1, 1], abs=1e-5)
    assert "\n" not in found["schemes"]["broken"]["error"]
