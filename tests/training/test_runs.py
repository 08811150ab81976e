"""Run folders: whole or absent, one experiment each, nothing lost."""

import json
import shutil

import pandas as pd
import pytest

from sercore import paths
from sercore.experiment import Experiment
from sercore.paths import write_json
from sercore.training import code_fingerprint, find_runs, read_run, runs
from sercore.training.runs import claim

EXPERIMENT = Experiment.from_profile("demo", fold=2)


@pytest.fixture
def finished():
    """A finished run with made-up content."""
    path = claim(EXPERIMENT)
    pd.DataFrame({"epoch": [1], "UA": [0.5]}).to_csv(path / "history.csv", index=False)
    predictions = pd.DataFrame({"utterance": ["03-01"], "speaker": ["01"], "y_true": ["anger"]})
    predictions.to_csv(path / "predictions.csv", index=False)
    write_json(path / "metrics.json", {"test": {"UA": 0.5}})
    return path


def test_run_lies_under_its_profile_arm_and_fold():
    assert claim(EXPERIMENT) == paths.runs_root() / "demo" / "iemocap+cremad-fold2"


def test_a_run_reads_back_what_was_written(finished):
    run = read_run(finished)
    assert run.experiment == EXPERIMENT and run.metrics["test"]["UA"] == 0.5
    assert run.predictions["speaker"].item() == "01"  # names stay text
    assert {"python", "packages", "device", "commit", "code", "started"} <= run.environment.keys()


def test_only_finished_runs_of_the_profile_itself_are_found(finished):
    claim(Experiment.from_profile("demo", fold=3))  # begun, not finished
    other = claim(Experiment.from_profile("demo", fold=2, epochs=1))
    for name in ("history.csv", "predictions.csv", "metrics.json"):
        shutil.copy(finished / name, other)
    assert [run.path for run in find_runs("demo")] == [finished]


def test_a_run_of_dimensions_is_none_of_emotions(finished):
    """Of a profile whose task they are, so that its name says nothing; pages of emotions look for runs."""
    file = finished / "experiment.json"
    write_json(file, json.loads(file.read_text()) | {"task": "dimensional"})
    assert find_runs("demo") == [] and read_run(finished).experiment.task == "dimensional"


def test_unfinished_run_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished run; train it first"):
        read_run(tmp_path)


def test_folder_of_another_experiment_is_refused_and_left_alone(finished):
    file = finished / "experiment.json"
    write_json(file, json.loads(file.read_text()) | {"epochs": 99})
    with pytest.raises(ValueError, match="holds another experiment: epochs is 99 there, 6 here"):
        claim(EXPERIMENT)
    assert (finished / "metrics.json").is_file()


def test_a_real_corpus_in_place_of_a_synthetic_one_is_another_experiment(finished):
    write_json(
        finished / "experiment.json", json.loads((finished / "experiment.json").read_text()) | {"synthetic": False}
    )
    with pytest.raises(ValueError, match="synthetic is False there, True here"):
        claim(EXPERIMENT)


def test_a_moved_corpus_is_the_same_experiment():
    here = claim(Experiment.from_profile("open", roots={"cremad": "/here", "ravdess": "/here"}))
    assert claim(Experiment.from_profile("open", roots={"cremad": "/there", "ravdess": "/there"}, workers=3)) == here


def test_run_of_other_code_is_set_aside_not_overwritten(finished, monkeypatch, capsys):
    monkeypatch.setattr(runs, "code_fingerprint", lambda: "newer code")
    assert not (claim(EXPERIMENT) / "metrics.json").exists()
    assert "trained by other code" in capsys.readouterr().out
    (aside,) = finished.parent.glob(f".{finished.name}.*")
    assert (aside / "metrics.json").is_file() and find_runs("demo") == []


def test_a_setting_that_older_code_knew_is_set_aside_with_its_run(finished, monkeypatch):
    write_json(finished / "experiment.json", json.loads((finished / "experiment.json").read_text()) | {"augment": True})
    with pytest.raises(ValueError, match="unknown setting 'augment'"):
        claim(EXPERIMENT)
    monkeypatch.setattr(runs, "code_fingerprint", lambda: "newer code")
    assert not (claim(EXPERIMENT) / "metrics.json").exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's code."""
    copy = shutil.copytree(paths.PACKAGE, tmp_path / "sercore", ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    monkeypatch.setattr(runs.paths, "PACKAGE", copy)
    return copy


def test_fingerprint_changes_with_all_that_numbers_depend_on(package):
    """The ground that data passes through, the data itself, training, and how it is scored."""
    names = ["labels", "experiment", "audio_files", "data/splits", "data/corpora/ravdess", "training/trainer"]
    for name in [*names, "evaluation/metrics"]:
        before = code_fingerprint()
        with open(package / f"{name}.py", "a") as file:
            file.write("\nCHANGED = 1\n")
        assert code_fingerprint() != before, name


def test_fingerprint_changes_with_how_metrics_are_computed(package):
    """UA over all emotions instead of those that occur."""
    file, before = package / "evaluation/metrics.py", code_fingerprint()
    changed = file.read_text().replace('per_class["support"] > 0', 'per_class["support"] >= 0')
    assert changed != file.read_text()
    file.write_text(changed)
    assert code_fingerprint() != before


def test_fingerprint_stays_with_comments_docstrings_and_other_wings(package):
    before = code_fingerprint()
    metrics = package / "evaluation/metrics.py"
    metrics.write_text("# why\n" + metrics.read_text().replace("Scores predictions", "Rates predictions"))
    (package / "evaluation/bootstrap.py").write_text("")
    assert code_fingerprint() == before


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    file = tmp_path / "metrics.json"
    write_json(file, {"UA": 0.5})
    with pytest.raises(TypeError):
        write_json(file, {"UA": object()})
    assert json.loads(file.read_text()) == {"UA": 0.5} and list(tmp_path.glob("*")) == [file]
