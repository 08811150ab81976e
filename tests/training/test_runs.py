"""Run folders: whole or absent, one experiment each, nothing lost."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sercore import paths
from sercore.data import digest_corpus
from sercore.experiment import Experiment
from sercore.paths import write_json
from sercore.training import code_fingerprint, find_runs, read_run, runs
from sercore.training.code_digest import digest_code
from sercore.training.runs import claim, explain_full_disk, hold

NOWHERE = {"iemocap": "/nowhere", "cremad": "/nowhere"}  # corpora that are not here are not compared
EXPERIMENT = Experiment.from_profile("demo", fold=2, roots=NOWHERE)


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
    claim(Experiment.from_profile("demo", fold=3, roots=NOWHERE))  # begun, not finished
    other = claim(Experiment.from_profile("demo", fold=2, epochs=1, roots=NOWHERE))
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


def test_another_run_of_other_code_names_the_files_that_changed(finished, package, capsys):
    with open(package / "training" / "trainer.py", "a") as file:
        file.write("\nCHANGED = 1\n")
    claim(EXPERIMENT)
    assert "was trained by other code (" in (said := capsys.readouterr().out) and ": training/trainer.py); kept" in said


def test_a_run_of_code_that_kept_no_digests_is_read_and_set_aside(finished, capsys):
    environment = read_run(finished).environment | {"code": "80a893c596b0"}
    write_json(finished / "environment.json", {k: v for k, v in environment.items() if k not in ("files", "data")})
    assert read_run(finished).environment["code"] == "80a893c596b0"
    claim(EXPERIMENT)
    assert "was trained by other code (80a893c596b0); kept" in capsys.readouterr().out


@pytest.fixture
def corpus(tmp_path, write_audio):
    """Five speakers of CREMA-D with an utterance of each emotion."""
    codes = ("ANG", "HAP", "NEU", "SAD")
    return [write_audio(tmp_path / "cremad" / f"{1001 + n // 4}_DFA_{codes[n % 4]}_XX.wav") for n in range(20)]


@pytest.mark.parametrize(
    ("change", "said"), [("fewer", "-3 utterances"), ("more", "+1 utterances"), ("other", "other files or labels")]
)
def test_a_run_on_other_data_is_set_aside_and_the_difference_said(corpus, write_audio, capsys, change, said):
    """The number of utterances, or the size of a file."""
    experiment = replace(EXPERIMENT, primary="cremad", permanent="", roots={"cremad": str(corpus[0].parent)})
    first = claim(experiment)
    write_json(first / "metrics.json", {})
    for name in ("history.csv", "predictions.csv"):
        (first / name).touch()
    for file in corpus[:3] if change == "fewer" else ():
        file.unlink()
    write_audio(corpus[0].with_name("1001_IEO_FEA_XX.wav"))  # of an emotion that is no class here
    if change == "more":
        write_audio(corpus[0].with_name("1001_IEO_SAD_XX.wav"))
    if change == "other":
        write_audio(corpus[0], seconds=0.2)
    assert not (claim(experiment) / "metrics.json").exists()
    assert f"was trained on other data (cremad here: {said}); kept" in capsys.readouterr().out
    assert claim(experiment) == first and not capsys.readouterr().out


def test_other_labels_are_other_data(tmp_path, write_audio):
    """Those of IEMOCAP stand in files of their own."""
    write_audio(tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    file = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.parent.mkdir(parents=True)
    digests = []
    for code in ("neu", "sad", "fru"):  # frustration is no class here
        file.write_text(f"[6.2901 - 8.2357]\tSes01F_impro01_F000\t{code}\t[2.5000, 2.5000, 2.5000]\n")
        digests.append(digest_corpus("iemocap", tmp_path))
    assert [one["utterances"] for one in digests] == [1, 1, 0] and digests[0] != digests[1]


@pytest.mark.parametrize("lost", ["experiment.json", "environment.json"])
def test_a_run_that_was_killed_as_it_began_begins_again(lost):
    path = claim(EXPERIMENT)
    (path / lost).unlink()
    assert claim(EXPERIMENT) == path and (path / lost).is_file()
    assert [*path.parent.glob(".*")] == [], "there was nothing to set aside"


@pytest.mark.parametrize("lost", ["experiment.json", "environment.json", "predictions.csv"])
def test_a_finished_run_that_lost_a_file_is_set_aside(finished, lost, capsys):
    (finished / lost).unlink()
    with pytest.raises(FileNotFoundError, match="holds no finished run; train it"):
        read_run(finished)
    assert not (claim(EXPERIMENT) / "metrics.json").exists()
    assert f"lacks {lost}; kept as" in capsys.readouterr().out


def test_what_a_kill_left_behind_goes(finished):
    (finished / "checkpoints").mkdir()
    (finished / ".metrics.json.99999.part").touch()
    claim(EXPERIMENT)
    assert not (finished / "checkpoints").exists() and not [*finished.glob(".*")]


def keep(path, held):
    with hold(path):
        held.set()
        time.sleep(60)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_second_process_waits_for_the_first_and_says_for_whom(tmp_path, monkeypatch, capsys, end):
    """However the first one ends, its lock ends with it."""
    monkeypatch.setattr(runs, "PATIENCE", 0.2)
    path, fork = tmp_path / "demo" / "run", multiprocessing.get_context("fork")
    held = fork.Event()
    holder = fork.Process(target=keep, args=(path, held))
    holder.start()
    assert held.wait(60)
    # Whose process is gone is seen once its parent has taken note.
    threading.Timer(1, lambda: (os.kill(holder.pid, end), holder.join())).start()
    began = time.monotonic()
    with hold(path):
        assert time.monotonic() - began > 0.5
    said = capsys.readouterr().out
    assert said.startswith(f"waiting for process {holder.pid} on ") and f"{path.parent}/.run.lock" in said
    assert (path.parent / "progress.log").read_text() == said
    assert [file.name for file in path.parent.iterdir()] == ["progress.log"], "no lock is left"


def test_a_lock_that_its_process_left_stops_nobody(tmp_path, capsys):
    fork = multiprocessing.get_context("fork")
    holder = fork.Process(target=keep, args=(tmp_path / "run", held := fork.Event()))
    holder.start()
    assert held.wait(60)
    holder.kill()
    holder.join()
    assert (tmp_path / ".run.lock").is_file()
    with hold(tmp_path / "run"):
        assert str(os.getpid()) in (tmp_path / ".run.lock").read_text()
    assert not capsys.readouterr().out


def test_a_lock_of_another_machine_says_how_to_remove_it(tmp_path, monkeypatch, capsys):
    """Nobody here can know whether that process still runs; removing the file is enough."""
    monkeypatch.setattr(runs, "PATIENCE", 0.2)
    (tmp_path / ".run.lock").write_text("4711\nelsewhere\n1\n")
    threading.Timer(1, (tmp_path / ".run.lock").unlink).start()
    with hold(tmp_path / "run"):
        said = capsys.readouterr().out
    assert said.startswith("waiting for process 4711 on elsewhere") and f"remove {tmp_path}/.run.lock" in said


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0"),
        OSError(27, "File too large"),
        FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"),
    ],
    ids=str,
)
def test_a_full_disk_is_one_line_that_says_what_to_free(error):
    with (
        pytest.raises(OSError, match=r"^cannot write here .*: free space on its disk, .* TMPDIR .* again\.$") as found,
        explain_full_disk("here"),
    ):
        raise error
    assert "\n" not in str(found.value)


def test_another_error_stays_as_it_is():
    with pytest.raises(ValueError, match=r"^no number$"), explain_full_disk("here"):
        raise ValueError("no number")


SOURCE = '''"""Docstring."""
class A:
    """Docstring."""
    size: int = 0x10
async def f(x, *, y=None, **more):
    """Docstring."""
    return [f"{x:{y}.{1 + 2}f} {x!r} {'quoted'}", "a" "b", (lambda: ...)(), -1.5e-3, 1j, b"\\x00", "\\u3042"]  # why
'''


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13", "python3.14"])
def test_fingerprint_does_not_depend_on_the_version_of_python(python, tmp_path):
    """Syntax trees differ: 3.12 has type parameters and empty texts in f-strings, 3.13 shows no empty fields.

    The digest is what 3.11, 3.12 and 3.13 gave, each by itself.
    """
    found = [shutil.which(python), *Path.home().glob(f".pyenv/versions/{python[6:]}.*/bin/python")]
    (tmp_path / "code.py").write_text(SOURCE)
    folder = paths.PACKAGE / "training"
    command = "from pathlib import Path; from code_digest import digest_code; print(digest_code(Path('code.py')))"
    for interpreter in filter(None, found):
        run = [interpreter, "-c", command]
        done = subprocess.run(run, cwd=tmp_path, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)
        if done.returncode == 0 or "SyntaxError" in done.stderr:
            assert done.stdout.strip() == digest_code(tmp_path / "code.py") == "5630268b5d79", done.stderr
            return
    pytest.skip(f"no {python} here")


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
