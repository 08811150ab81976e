"""Run folders: whole or absent, one experiment each, nothing lost."""

import json

import pandas as pd
import pytest

from sercore.config import Experiment
from sercore.training import find_runs, read_run
from sercore.training import runs
from sercore.training.runs import claim, code_fingerprint, run_path, write_json, write_table

EXPERIMENT = Experiment.from_profile("demo", fold=2)


@pytest.fixture
def finished():
    """A finished run with made-up content."""
    path = claim(EXPERIMENT)
    write_table(path / "history.csv", pd.DataFrame({"epoch": [1], "UA": [0.5]}))
    write_table(path / "predictions.csv", pd.DataFrame({"utterance": ["03-01"], "speaker": ["01"], "truth": ["anger"]}))
    write_json(path / "metrics.json", {"test": {"UA": 0.5}})
    return path


def test_run_lies_under_its_profile_arm_and_fold():
    assert run_path(EXPERIMENT).parts[-2:] == ("demo", "iemocap+cremad-fold2")


def test_a_run_reads_back_what_was_written(finished):
    run = read_run(finished)
    assert run.experiment == EXPERIMENT and run.metrics["test"]["UA"] == 0.5
    assert run.predictions["speaker"].item() == "01"  # names stay text
    assert {"python", "packages", "device", "commit", "code", "started"} <= run.environment.keys()


def test_only_finished_runs_of_the_profile_itself_are_found(finished):
    claim(Experiment.from_profile("demo", fold=3))  # begun, not finished
    other = claim(Experiment.from_profile("demo", fold=2, epochs=1))
    for name in ("history.csv", "predictions.csv", "metrics.json"):
        (other / name).write_bytes((finished / name).read_bytes())
    assert [run.path for run in find_runs("demo")] == [finished]


def test_unfinished_run_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished run; train it first"):
        read_run(tmp_path)


def test_folder_of_another_experiment_is_refused_and_left_alone(finished):
    file = finished / "experiment.json"
    write_json(file, json.loads(file.read_text()) | {"epochs": 99})
    with pytest.raises(ValueError, match="holds another experiment: epochs is 99 there, 6 here. Move or remove"):
        claim(EXPERIMENT)
    assert (finished / "metrics.json").is_file()


def test_run_of_a_version_with_other_settings_is_named(finished):
    file = finished / "experiment.json"
    write_json(file, json.loads(file.read_text()) | {"learning_rat": 1})
    with pytest.raises(ValueError, match="experiment.json: unknown setting 'learning_rat'; did you mean learning_rate"):
        read_run(finished)


def test_a_moved_corpus_is_the_same_experiment():
    here = claim(Experiment.from_profile("open", cremad_root="/here", ravdess_root="/here"))
    assert claim(Experiment.from_profile("open", cremad_root="/there", ravdess_root="/there", workers=3)) == here


def test_a_real_corpus_in_place_of_a_synthetic_one_is_another_experiment(finished):
    with pytest.raises(ValueError, match="synthetic is True there, False here"):
        claim(Experiment.from_profile("demo", fold=2, iemocap_root="/real", cremad_root="/real"))


def test_run_of_other_code_is_set_aside_not_overwritten(finished, monkeypatch, capsys):
    monkeypatch.setattr(runs, "code_fingerprint", lambda: "newer code")
    assert not (claim(EXPERIMENT) / "metrics.json").exists()
    assert "trained by other code" in capsys.readouterr().out
    (aside,) = finished.parent.glob(f".{finished.name}.*")
    assert (aside / "metrics.json").is_file() and find_runs("demo") == []


def test_fingerprint_ignores_comments_and_docstrings(tmp_path, monkeypatch):
    monkeypatch.setattr(runs.paths, "PROJECT", tmp_path)
    file = tmp_path / "sercore/data/code.py"
    file.parent.mkdir(parents=True)
    prints = []
    for source in ('def f():\n    "Old."\n    return 1\n', 'def f():\n    "New."\n    return 1  # why\n', "def f():\n    return 2\n"):
        file.write_text(source)
        prints.append(code_fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    file = tmp_path / "metrics.json"
    write_json(file, {"UA": 0.5})
    with pytest.raises(TypeError):
        write_json(file, {"UA": object()})
    assert json.loads(file.read_text()) == {"UA": 0.5}
