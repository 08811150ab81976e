"""A fifth emotion is one more row of the table in labels.py, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sercore

FEAR = 'Emotion("fear", "#7a4f9a", "high"),'


@pytest.fixture
def five(tmp_path, synthetic) -> dict:
    """What the script prints in a process that imports a copy of the package with one more row."""
    package = shutil.copytree(
        Path(sercore.__file__).parent, tmp_path / "sercore", ignore=shutil.ignore_patterns("*.onnx")
    )
    labels = (package / "labels.py").read_text()
    (package / "labels.py").write_text(labels.replace("\n)\nEMOTIONS", f"\n    {FEAR}\n)\nEMOTIONS"))
    command = [sys.executable, str(Path(__file__).parent / "five_emotions.py"), str(synthetic["iemocap"])]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_counted_weighed_trained_and_scored(five):
    """A session of the synthetic IEMOCAP has 6 anger, 10 happiness, 10 neutral, 6 sadness and 1 fear."""
    assert five["emotions"] == ["anger", "happiness", "neutral", "sadness", "fear"]
    assert five["counts"] == {"happiness": 30, "neutral": 30, "anger": 18, "sadness": 18, "fear": 3}
    assert five["weights"] == pytest.approx([99 / (5 * n) for n in (18, 30, 30, 18, 3)])  # N / (K n_c)
    assert five["logits"] == [33, 5]
    assert five["losses"][1] < five["losses"][0]
    assert five["columns"][-5:] == five["emotions"]
    assert five["scores"]["per_class"] == five["emotions"]
    confusion = np.array(five["scores"]["confusion"])
    assert confusion.sum(axis=1).tolist() == [6, 10, 10, 6, 1]
    assert five["scores"]["UA"] == pytest.approx((confusion.diagonal() / confusion.sum(axis=1)).mean())
