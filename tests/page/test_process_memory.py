"""Memory and time of a process that does nothing else."""

import numpy as np
import pytest

from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import export_onnx
from sercore.page.process_memory import measure_process
from sercore.training import build_classifier


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return export_onnx(build_classifier("tiny"), tmp_path_factory.mktemp("model") / "fp32.onnx")


def test_memory_grows_from_runtime_to_model_to_run(file):
    """The process has no PyTorch in it, whose import alone takes more than 200 MB."""
    found = measure_process(file, 1)
    assert 0 < found["runtime"] <= found["loaded"] <= found["running"] < 2e8


def test_voice_note_is_measured(file):
    rng = np.random.default_rng(0)
    note = speak(draw_voice("female", rng), express_emotion("neutral", 1.0), 3.0, 16_000, rng)
    found = measure_process(file, 4, note)
    assert found["seconds"] == 4 and found["classifier"] > 0 and found["rest"] > 0
    assert 0 < found["loaded"] <= found["running"] < 2e8


def test_file_that_cannot_be_measured_is_named_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"absent.onnx: cannot be measured \(.*\)\.$"):
        measure_process(tmp_path / "absent.onnx", 1)
