"""A run: one folder with everything that downstream pages need, each file whole or absent."""

import ast
import hashlib
import json
import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

from sercore import paths
from sercore.config import Experiment

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "librosa", "soundfile", "audiomentations", "numpy")
LAST = "metrics.json"  # written last: where it is, the run is finished


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its folder; `model/` in it holds the weights.
        experiment: what was asked for.
        environment: what it ran on: versions, device, commit, code fingerprint, time.
        history: one row per epoch: epoch, train_loss, validation_loss, WA, UA, macro_f1, learning_rate, seconds.
        predictions: of the test set: utterance, speaker, truth, predicted and one probability per emotion.
        metrics: scores of "test" and "validation" as from `score`, best_epoch, epochs.
    """

    path: Path
    experiment: Experiment
    environment: dict
    history: pd.DataFrame
    predictions: pd.DataFrame
    metrics: dict


def run_path(experiment: Experiment) -> Path:
    """Where the run of an experiment lies: runs/<profile>/<name>."""
    return paths.runs_root() / experiment.profile / experiment.name


def read_run(path: str | Path) -> Run:
    """Reads a finished run.

    Raises:
        FileNotFoundError: no finished run is there.
    """
    path = Path(path)
    if not (path / LAST).is_file():
        raise FileNotFoundError(f"{path} holds no finished run; train it first (its notebook, or make book).")
    return Run(
        path,
        Experiment.read(path / "experiment.json"),
        _json(path / "environment.json"),
        pd.read_csv(path / "history.csv"),
        pd.read_csv(path / "predictions.csv", dtype={"utterance": str, "speaker": str}),
        _json(path / LAST),
    )


def find_runs(profile: str, *splits: str) -> list[Run]:
    """All finished runs of a profile by name, those with changed settings left out.

    Args:
        profile: its name.
        splits: those of the experiments sought; `loso` where none is given.
    """
    files = sorted((paths.runs_root() / profile).glob(f"*/{LAST}"))
    found = [read_run(file.parent) for file in files if file.parent.name[0] != "."]  # hidden: set aside by `claim`
    return [run for run in found if not run.experiment.variant and run.experiment.split in (splits or ("loso",))]


def claim(experiment: Experiment) -> Path:
    """Makes the run's folder, or goes on in it where it is this experiment's; a run of other code is set aside.

    Raises:
        ValueError: the folder holds another experiment.
    """
    path = run_path(experiment)
    if (path / "experiment.json").is_file():
        _refuse_other(path, experiment)
        code = _json(path / "environment.json")["code"]
        if code != code_fingerprint():
            aside = path.with_name(f".{path.name}.{code}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            print(f"{path} was trained by other code ({code}); kept as {aside.name}, training anew.")
    if not (path / "environment.json").is_file():
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "environment.json", environment())
        write_json(path / "experiment.json", asdict(experiment))
    return path


def _refuse_other(path: Path, experiment: Experiment) -> None:
    there, here = Experiment.read(path / "experiment.json").identity(), experiment.identity()
    changes = [f"{name} is {there[name]!r} there, {here[name]!r} here" for name in here if there[name] != here[name]]
    if changes:
        raise ValueError(f"{path} holds another experiment: {'; '.join(changes)}. Move or remove that folder.")


def environment() -> dict:
    """What a result depends on besides its experiment."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
        "code": code_fingerprint(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def code_fingerprint() -> str:
    """Changes with any statement of the data and training wings, not with comments or docstrings."""
    digest = hashlib.sha1()
    for wing in ("data", "training"):
        for file in sorted((paths.PROJECT / "sercore" / wing).rglob("*.py")):
            tree = ast.parse(file.read_text())
            for node in ast.walk(tree):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                    node.body = node.body[1:]
            digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def _commit() -> str:
    """The project's commit, with + where files differ from it; "" outside a git checkout."""
    git = ["git", "-C", str(paths.PROJECT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def write_json(file: Path, content: dict) -> None:
    """Writes a file whole or not at all."""
    write_text(file, json.dumps(content, indent=1) + "\n")


def write_table(file: Path, table: pd.DataFrame) -> None:
    """Writes a table as CSV, whole or not at all."""
    write_text(file, table.to_csv(index=False))


def write_text(file: Path, text: str) -> None:
    """Writes beside the file and renames."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text)
    part.replace(file)


def _json(file: Path) -> dict:
    return json.loads(file.read_text())
