"""A run: one folder with all that later pages need, each file whole or absent."""

import ast
import hashlib
import json
import os
import platform
import shutil
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

from sercore import paths
from sercore.experiment import Experiment

PACKAGES = ("torch", "transformers", "peft", "accelerate", "librosa", "soundfile", "soxr", "audiomentations", "numpy")
LAST = "metrics.json"  # written last: where it is, the run is finished
FILES = ("experiment.json", "environment.json", "history.csv", "predictions.csv", LAST)  # of a run, beside its weights
# All code of this project that the numbers of a run depend on.
CODE = ("labels.py", "experiment.py", "audio_files.py", "data/**/*.py", "training/**/*.py", "evaluation/metrics.py")
APART = ("distillation.py",)  # what makes a backbone; a run depends on its weights, not on how they came about


@dataclass(frozen=True)
class Run:
    """A finished run, as its folder holds it."""

    path: Path  # the folder; `model/` in it holds the weights
    experiment: Experiment
    environment: dict  # what it ran on: versions, device, commit, code fingerprint, time
    history: pd.DataFrame  # by epoch: epoch, train_loss, validation_loss, scores, learning_rate, seconds
    predictions: pd.DataFrame  # of the test set, as of `tabulate_predictions` or `tabulate_ratings`
    metrics: dict  # scores of "test" and "validation"; best_epoch, epochs, parameters (of the model)


def read_run(path: str | Path) -> Run:
    """Reads a finished run.

    Raises:
        FileNotFoundError: no finished run is there.
        ValueError: a setting of it that this version does not know.
    """
    path = Path(path)
    if not (path / LAST).is_file():
        raise FileNotFoundError(f"{path} holds no finished run; train it first (its notebook, or make book).")
    return Run(
        path,
        Experiment.from_file(path / "experiment.json"),
        json.loads((path / "environment.json").read_text()),
        pd.read_csv(path / "history.csv"),
        pd.read_csv(path / "predictions.csv", dtype={"utterance": str, "speaker": str}),
        json.loads((path / LAST).read_text()),
    )


def find_runs(profile: str, *splits: str) -> list[Run]:
    """All finished runs of emotions of a profile with these splits (else `loso`), by name; no changed settings.

    Recorded ones stand in for those that are not here.
    """
    roots = [root for root in (paths.recorded_root(profile), paths.runs_root() / profile) if root]
    files = [file for root in roots for file in root.glob(f"[!.]*/{LAST}")]  # hidden ones are set aside by `claim`
    found = {file.parent.name: file.parent for file in files}
    runs = [read_run(found[name]) for name in sorted(found)]
    runs = [run for run in runs if not run.experiment.variant and run.experiment.task == "categorical"]
    return [run for run in runs if run.experiment.split in (splits or ("loso",))]


def find_recorded(experiment: Experiment) -> Path | None:
    """The recorded run of an experiment, without weights; None where there is none, or one was begun here.

    Raises:
        ValueError: it is not whole.
    """
    root, own = paths.recorded_root(experiment.profile), paths.runs_root() / experiment.profile / experiment.name
    if not root or not (root / experiment.name).is_dir() or (own / "environment.json").is_file():
        return None
    path = root / experiment.name
    if absent := [name for name in FILES if not (path / name).is_file()]:
        raise ValueError(f"the recorded run {path} lacks {', '.join(absent)}; restore it, or set SERCORE_RECORDED=no.")
    if Experiment.from_file(path / "experiment.json").identity() != experiment.identity():
        return None
    code = json.loads((path / "environment.json").read_text())["code"]
    change = "" if code == code_fingerprint() else f" by other code ({code})"
    print(f"{experiment.profile}/{path.name}: recorded{change}, not trained here (SERCORE_RECORDED=no trains it).")
    return path


def claim(experiment: Experiment) -> Path:
    """Makes runs/<profile>/<name> or goes on in it; sets aside what other code trained, refuses another experiment."""
    path = paths.runs_root() / experiment.profile / experiment.name
    begun = path / "environment.json"
    if begun.is_file():
        code = json.loads(begun.read_text())["code"]
        if code == code_fingerprint():
            _check_same(path, experiment)
        else:
            aside = path.with_name(f".{path.name}.{code}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            print(f"{path} was trained by other code ({code}); kept as {aside.name}, training anew.")
    if not begun.is_file():
        paths.write_json(path / "experiment.json", asdict(experiment))
        paths.write_json(begun, describe_environment())
    return path


def code_fingerprint() -> str:
    """Changes with any statement of `CODE`, not with comments or docstrings."""
    digest = hashlib.sha1()
    files = [file for pattern in CODE for file in sorted(paths.PACKAGE.glob(pattern)) if file.name not in APART]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def describe_environment() -> dict:
    """What numbers depend on beside settings: versions, device, commit, code fingerprint; and when it began."""
    git = ["git", "-C", str(paths.PROJECT), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"]
    commit = ""  # outside a git checkout
    with suppress(OSError):  # no git
        commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit,
        "code": code_fingerprint(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _check_same(path: Path, experiment: Experiment) -> None:
    there, here = Experiment.from_file(path / "experiment.json").identity(), experiment.identity()
    changes = [f"{name} is {there[name]!r} there, {here[name]!r} here" for name in here if there[name] != here[name]]
    if changes:
        raise ValueError(f"{path} holds another experiment: {'; '.join(changes)}. Move or remove that folder.")
