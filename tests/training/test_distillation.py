"""Distillation on synthetic speech: resumable, from teachers of either kind, never from held-out speakers."""

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
import soundfile
import torch

from sercore.data import load_split
from sercore.demo import write_corpus
from sercore.experiment import Experiment
from sercore.training import build_classifier, load_classifier, train
from sercore.training.distillation import Clips, Distillation, distil, draw_content, make_views

GEOMETRY = {"stem_strides": [2, 2], "position_kernel": 3, "d_model": 32, "encoder_layers": 1}
GEOMETRY = json.dumps(GEOMETRY | {"encoder_attention_heads": 2, "encoder_ffn_dim": 32})
SETTINGS = {"views": 2, "epochs": 3, "geometry": GEOMETRY}
CLIPS = Clips(
    [np.full(1000 * n, n / 10, np.float32) for n in (3, 4, 5)], np.array(["a", "a", "b"]), np.array([0, 0, 1])
)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, tiny_whisper):
    """A run of one epoch on synthetic speech with the adapter on a small Whisper, and the variables it needs."""
    folder = tmp_path_factory.mktemp("distillation")
    root = write_corpus("cremad", folder / "cremad")
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "environ", os.environ)  # which `datasets` replaces
    variables = {"SERCORE_RUNS": str(folder / "runs"), "SERCORE_TEACHER": str(tiny_whisper)}
    for name, value in variables.items():
        patch.setenv(name, value)
    settings = {"split": "disjoint", "primary": "cremad", "permanent": "", "roots": {"cremad": str(root)}}
    run = train(Experiment.from_profile("demo", backbone="whisper-base", adapter_rank=2, epochs=1, **settings))
    yield run, variables
    patch.undo()


@pytest.fixture
def run(teacher, monkeypatch, tmp_path):
    """The teacher's run, with a folder of its own for what a test distils and views."""
    for name, value in teacher[1].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERCORE_RUNS", str(tmp_path / "runs"))
    return teacher[0]


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
@pytest.mark.parametrize("moment", ["train view 1", "epoch 1"])
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


def test_views_of_another_teacher_are_made_anew(run, monkeypatch):
    first, _ = make_views(run, Distillation(**SETTINGS))
    monkeypatch.setattr("sercore.training.distillation._digest_teacher", lambda run: "another")
    second, _ = make_views(run, Distillation(**SETTINGS))
    assert first[0].waveforms.filename != second[0].waveforms.filename


def test_no_held_out_speaker_is_shown(run):
    """The first view has the clips as they are: those of the training speakers, then ones without a label of theirs."""
    split, _ = load_split(run.experiment)
    shown, validation = make_views(run, Distillation(**SETTINGS))
    count = len(split.train)
    assert (shown[0].labels[:count] >= 0).all() and (shown[0].labels[count:] == -1).all()
    assert len(validation[0].labels) == len(split.validation)
    np.testing.assert_allclose(shown[0].seconds[:count], split.train["seconds"], atol=1e-6)


def test_sentences_come_last_each_a_speaker_of_its_own_without_label(run, monkeypatch, tmp_path):
    plain, _ = make_views(run, Distillation(**SETTINGS))
    for name, samples in {"a.wav": 16_000, "b.wav": 8000}.items():
        soundfile.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, samples), 16_000)
    monkeypatch.setenv("SERCORE_SPEECH", str(tmp_path))
    shown, _ = make_views(run, Distillation(**SETTINGS))
    assert shown[0].labels.tolist() == [*plain[0].labels, -1, -1]
    np.testing.assert_allclose(shown[0].seconds[-2:], [1, 0.5], atol=0.1)  # but for what is trimmed


def test_targets_are_what_the_teachers_make_of_a_view(run):
    """To half precision, and to that of bfloat16 where the processor has it."""
    _, validation = make_views(run, Distillation(**SETTINGS))
    view = validation[0]
    values = torch.from_numpy(view[0]["input_values"])[None]
    with torch.no_grad():
        moments = torch.cat(build_classifier("whisper-base").eval().pool_layers(values)[-2:], 1)
        logits = load_classifier(run.path / "model")(values).logits
    np.testing.assert_allclose(view.targets["moments"][0], moments[0], atol=0.1)
    np.testing.assert_allclose(view.targets["logits"][0], logits[0], atol=0.1)


def test_first_view_has_clips_as_they_are_and_later_ones_have_not(run):
    shown, _ = make_views(run, Distillation(**SETTINGS))
    assert (shown[0].labels >= 0).sum() > (shown[1].labels >= 0).sum()
    assert not np.array_equal(shown[0].ends, shown[1].ends)


def test_label_is_kept_only_where_voice_and_emotion_are(monkeypatch):
    drawn = [draw_content(CLIPS, 0, Distillation(content=False), np.random.default_rng(n)) for n in range(60)]
    for waveform, label in drawn:
        foreign = waveform[-1] == np.float32(0.5)  # the clip of the other speaker
        assert not (foreign and label == 0)
    assert {label for _, label in drawn} == {0, -1}


def test_without_splice_and_content_a_clip_stays_as_it_is():
    waveform, label = draw_content(CLIPS, 1, Distillation(splice=False, content=False), np.random.default_rng(0))
    assert waveform is CLIPS.waveforms[1] and label == 0


def test_a_teacher_of_another_kind_is_pooled_too(run, monkeypatch):
    """HuBERT's last layers, one utterance at a time, since it cannot pool rows of different lengths."""
    hubert = build_classifier("tiny").eval()
    monkeypatch.setattr("sercore.training.distillation.build_classifier", lambda name: hubert)
    _, validation = make_views(run, Distillation(**SETTINGS))
    assert validation[0].targets["moments"].shape[1] == 4 * hubert.config.hidden_size


@pytest.mark.fault("full disk")
def test_full_disk_leaves_no_half_view(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(OSError, match=r"cannot write the views .*free space"):
        make_views(run, Distillation(**SETTINGS))
    assert not any(folder.is_dir() for folder in Path(os.environ["SERCORE_RUNS"]).glob("cache/views-*/[!.]*"))
