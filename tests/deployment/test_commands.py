"""The commands that lead from a run to a small file, and the one that counts the corpora, as the command line calls them."""

import shutil
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from sercore.__main__ import main
from sercore.config import Experiment
from sercore.data import load_corpus, write_synthetic
from sercore.deployment import EmotionClassifier, export_onnx
from sercore.emotions import EMOTIONS
from sercore.evaluation import score
from sercore.training import build_classifier
from sercore.training.runs import write_json, write_table

RATE = 16_000  # Hz


@pytest.fixture
def say(capsys):
    """Runs a command: its exit code, and the lines on standard output and standard error."""

    def run(*arguments):
        capsys.readouterr()  # what was said before
        code = main([*map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err.splitlines()

    return run


@pytest.fixture
def run(tmp_path):
    """A finished run, as `fit` leaves it."""
    folder = tmp_path / "run"
    build_classifier("tiny").save_pretrained(folder / "model")
    write_json(folder / "experiment.json", asdict(Experiment.from_profile("demo")))
    write_json(folder / "environment.json", {"code": "abc123"})
    write_table(folder / "history.csv", pd.DataFrame({"epoch": [1]}))
    write_table(folder / "predictions.csv", pd.DataFrame({"utterance": EMOTIONS, "speaker": "s", "truth": EMOTIONS}))
    write_json(folder / "metrics.json", {"test": score([*EMOTIONS], [*EMOTIONS])})
    return folder


def size(file) -> str:
    return f"{file}: {file.stat().st_size / 1e6:.2f} MB"


def test_from_a_run_to_a_measured_small_file(say, run, tmp_path):
    large, small = tmp_path / "fp32.onnx", tmp_path / "w8.onnx"
    assert say("export", run, large) == (0, [size(large)], [])
    assert say("quantize", large, "w8", small) == (0, [size(small)], [])
    code, (header, *lines), errors = say("benchmark", large, small, "--repeats", 2)
    assert (code, errors, [line.split()[0] for line in lines]) == (0, [], [str(large), str(small)])
    assert header.split() == "MB load (ms) 1 s (ms) 3 s (ms) 8 s (ms)".split()


def test_calibration_draws_from_a_folder_and_names_what_is_broken(say, tmp_path):
    torch.manual_seed(0)
    model = export_onnx(build_classifier("tiny").eval(), tmp_path / "fp32.onnx")
    folder, file = tmp_path / "speech", tmp_path / "w8a8.onnx"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, RATE // 4)
    for number in range(199):
        soundfile.write(folder / f"{number}.wav", noise, RATE)
    (folder / "broken.wav").write_text("no audio")
    code, _, (broken, few) = say("quantize", model, "w8a8", file, "--calibrate", folder)
    assert (code, file.exists()) == (2, False) and "broken.wav: cannot be decoded" in broken and "there are 199" in few
    soundfile.write(folder / "another.wav", noise, RATE)
    assert say("quantize", model, "w8a8", file, "--calibrate", folder)[:2] == (0, [size(file)])
    assert EmotionClassifier(file).metadata["scheme"] == "w8a8"


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_run_without_its_weights_is_said(say, run, tmp_path, damage):
    weights = run / "model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100]) if damage == "cut" else shutil.rmtree(run / "model")
    code, _, (error,) = say("export", run, tmp_path / "x.onnx")
    assert code == 2 and f"{run / 'model'}: " in error and error.endswith("train the run again.")


@pytest.fixture
def profile(tmp_path):
    """Writes a profile of two corpora: a synthetic RAVDESS and none or the CREMA-D that is named."""
    root = write_synthetic("ravdess", tmp_path / "ravdess")
    settings = f"primary: ravdess\nravdess_root: {root}\n"

    def write(cremad: str = "") -> str:
        (tmp_path / "own.yaml").write_text(settings + (f"cremad_root: {cremad}\n" if cremad else "permanent: \"\"\n"))
        return str(tmp_path / "own.yaml")

    return write


def test_corpora_are_counted_and_what_is_left_out_is_named(say, profile, tmp_path):
    folder = tmp_path / "ravdess/Actor_01"
    soundfile.write(folder / "03-01-05-01-01-01-01.wav", np.zeros(RATE), RATE)
    (folder / "03-01-05-02-01-01-01.wav").write_bytes(b"")
    (folder / "notes.wav").write_bytes(b"")
    code, lines, errors = say("corpora", "--profile", profile(), "--decode")
    table = load_corpus("ravdess", tmp_path / "ravdess")
    counts = ", ".join(f"{emotion} {(table['emotion'] == emotion).sum()}" for emotion in EMOTIONS)
    told = [f"ravdess: {tmp_path / 'ravdess'}", f"  {len(table)} utterances of {table['speaker'].nunique()} speakers: {counts}"]
    assert (code, errors, lines[:2]) == (0, [], told)
    assert "  left out: unreadable: empty file: 1 (03-01-05-02-01-01-01)" in lines
    assert "  left out: not a RAVDESS name: 1 (notes)" in lines
    assert any(line.startswith("  problem: silent: ") and "03-01-05-01-01-01-01" in line for line in lines)


def test_missing_corpus_is_named_and_the_others_are_counted(say, profile, tmp_path):
    code, lines, errors = say("corpora", "--profile", profile(tmp_path / "gone"))
    assert code == 1 and lines[0].startswith("ravdess: ") and "cremad" not in "".join(lines)
    assert f"cremad_root names {tmp_path / 'gone'}, which is not a folder" in errors[0]
    assert errors[1:] == ["sercore: 1 of 2 corpora failed"]


def test_real_corpora_are_counted(say, real_cremad, real_ravdess):
    """The paper's 864 utterances of RAVDESS; the 4900 of CREMA-D's four emotions."""
    code, lines, _ = say("corpora")
    assert code == 0 and [line.split()[0] for line in lines if "utterances" in line] == ["864", "4900"]
