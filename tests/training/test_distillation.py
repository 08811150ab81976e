"""Distillation on synthetic speech: resumable, refused where another student lies, a classifier in the end."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sercore.training import load_classifier
from sercore.training.distillation import Distillation, distil

GEOMETRY = {"stem_strides": [2, 2], "position_kernel": 3, "d_model": 32, "encoder_layers": 1}
GEOMETRY = json.dumps(GEOMETRY | {"encoder_attention_heads": 2, "encoder_ffn_dim": 32})
SETTINGS = {"views": 2, "epochs": 3, "geometry": GEOMETRY}


@pytest.fixture(scope="module")
def student(teacher, tmp_path_factory):
    """Distilled without interruption."""
    return finish(start(teacher, tmp_path_factory.mktemp("student")))


def start(teacher, root, **settings) -> subprocess.Popen:
    environment = os.environ | teacher[1] | {"SERCORE_RUNS": str(root), "OMP_NUM_THREADS": "1"}
    file = str(Path(__file__).with_name("distil_demo.py"))
    command = [sys.executable, file, str(teacher[0].path), json.dumps(SETTINGS | settings)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process) -> Path:
    lines = process.communicate()[0].splitlines()
    assert process.returncode == 0
    return Path(lines[-1])


def test_student_is_a_classifier_in_the_hugging_face_format(student):
    model = load_classifier(student / "model")
    assert model.config.d_model == 32 and model.classifier.out_features == 4
    assert {file.name for file in student.iterdir()} == {
        "settings.json", "environment.json", "history.csv", "targets.csv", "model",
    }  # fmt: skip


def test_history_has_losses_and_shares_by_epoch(student):
    history = pd.read_csv(student / "history.csv")
    shares = ["moments_R2", "embedding_R2", "UA", "moments_R2_views", "embedding_R2_views"]
    assert sorted(history) == sorted(["epoch", "loss", *shares, "seconds"])
    assert history["epoch"].tolist() == [1, 2, 3] and np.isfinite(history).all(axis=None)


def test_every_part_of_a_target_has_its_share(student):
    targets = pd.read_csv(student / "targets.csv")
    assert len(targets) == 10 and targets["R2"].le(1).all()


@pytest.mark.fault("killed distillation")
@pytest.mark.parametrize("moment", ["shown view 1", "epoch 1"])
def test_killed_distillation_goes_on_and_ends_with_the_same_numbers(teacher, student, tmp_path, moment):
    process = start(teacher, tmp_path)
    next(line for line in process.stdout if moment in line)
    process.kill()
    process.communicate()
    again = finish(start(teacher, tmp_path))
    pd.testing.assert_frame_equal(
        *(pd.read_csv(one / "history.csv").drop(columns="seconds") for one in (again, student))
    )
    assert (again / "model/model.safetensors").read_bytes() == (student / "model/model.safetensors").read_bytes()


def test_finished_student_is_found_not_repeated(run, student, monkeypatch):
    monkeypatch.setenv("SERCORE_RUNS", str(student.parents[1]))
    before = (student / "model/model.safetensors").stat().st_mtime_ns
    assert distil(run, Distillation(**SETTINGS)) == student
    assert (student / "model/model.safetensors").stat().st_mtime_ns == before


def test_another_teachers_student_is_refused_in_one_line(run, student, monkeypatch, tmp_path):
    shutil.copytree(student, tmp_path / "runs" / "demo" / student.name)
    file = tmp_path / "runs" / "demo" / student.name / "settings.json"
    file.write_text(json.dumps(asdict(Distillation(**SETTINGS)) | {"teacher": "another", "sentences": 2}))
    with pytest.raises(ValueError, match=r"holds another student \(teacher, sentences\)") as error:
        distil(run, Distillation(**SETTINGS))
    assert "\n" not in str(error.value)
