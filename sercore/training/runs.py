"""A run: one folder with all that later pages need, each file whole or absent."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from filelock import SoftFileLock, Timeout

from sercore import paths
from sercore.data import digest_corpus
from sercore.experiment import Experiment
from sercore.training.code_digest import digest_code

PACKAGES = ("torch", "transformers", "peft", "accelerate", "librosa", "soundfile", "soxr", "audiomentations", "numpy")
LAST = "metrics.json"  # written last: where it is, the run is finished
FILES = ("experiment.json", "environment.json", "history.csv", "predictions.csv", LAST)  # of a run, beside its weights
# All code of this project that the numbers of a run depend on.
CODE = ("labels.py", "experiment.py", "audio_files.py", "data/**/*.py", "training/**/*.py", "evaluation/metrics.py")
# Of it, what makes a backbone (a run depends on its weights, not on how they came about) and what keeps runs.
APART = ("teacher_views.py", "distillation.py", "runs.py", "code_digest.py")
PATIENCE = 5  # seconds at a run's lock, before it is said whose it is: reading a finished run takes less
SAME = "same_numbers.csv"  # beside recorded runs: code that was run anew and gave the bytes of recorded predictions
# What Python, safetensors and PyTorch call a full disk.
FULL = re.compile("No space left|quota exceeded|File too large|No usable temporary|PytorchStream|inline_container")


@dataclass(frozen=True)
class Run:
    """A finished run, as its folder holds it."""

    path: Path  # the folder; `model/` in it holds the weights
    experiment: Experiment
    environment: dict  # what it ran on: versions, device, commit, code fingerprint, time
    history: pd.DataFrame  # by epoch: epoch, train_loss, validation_loss, scores, learning_rate, seconds
    predictions: pd.DataFrame  # of the test set, as of `tabulate_predictions` or `tabulate_ratings`
    metrics: dict  # scores of "test" and "validation"; best_epoch, epochs, parameters (of the model)

    @property
    def digest(self) -> str:
        """Changes with any weight of its model."""
        return hashlib.sha1((self.path / "model" / "model.safetensors").read_bytes()).hexdigest()[:12]


def read_run(path: str | Path) -> Run:
    """Reads a finished run.

    Raises:
        FileNotFoundError: no finished run is there.
        ValueError: a setting of it that this version does not know.
    """
    path = Path(path)
    if not all((path / name).is_file() for name in FILES):
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
    root, own = paths.recorded_root(experiment.profile), run_folder(experiment)
    if not root or not (root / experiment.name).is_dir() or (own / "environment.json").is_file():
        return None
    path = root / experiment.name
    if absent := [name for name in FILES if not (path / name).is_file()]:
        raise ValueError(f"the recorded run {path} lacks {', '.join(absent)}; restore it, or set SERCORE_RECORDED=no.")
    if Experiment.from_file(path / "experiment.json").identity() != experiment.identity():
        return None
    code = relate_code(json.loads((path / "environment.json").read_text()), experiment.profile)
    print(f"{experiment.profile}/{path.name}: recorded by {code}, not trained here (SERCORE_RECORDED=no trains it).")
    return path


def relate_code(environment: dict, profile: str) -> str:
    """Names the code that made a run, and says of today's: it is the same, or gives the same bytes, or is another."""
    code, today, file = environment["code"], code_fingerprint(), paths.results_root() / profile / SAME
    rows = pd.read_csv(file, dtype=str) if file.is_file() else pd.DataFrame(columns=["code", "reference", "run"])
    if same := sorted(rows.query("code == @today and reference == @code")["run"]):
        return f"code {code}; today's code gives the same bytes for {', '.join(same)}"
    return f"code {code}" if code == today else f"other code ({code}{_name_changes(environment)})"


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keeps a run's folder for this process; another one waits for it, and says for whom.

    A lock of a process that has ended here, even by a kill, holds nobody up. Where nothing can be written, none is.
    """
    lock = SoftFileLock(path.with_name(f".{path.name}.lock"))
    with suppress(OSError):  # Timeout, too, is one
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Timeout):
            lock.acquire(timeout=PATIENCE)
        if not lock.is_locked:
            with suppress(OSError, ValueError):  # it has just been released
                process, host, *_ = Path(lock.lock_file).read_text().split()
                whose = f"waiting for process {process} on {host}, which has {path.name}"
                line = f"{whose}; where that is gone, remove {lock.lock_file} and start again."
                print(line, flush=True)
                with open(path.with_name("progress.log"), "a", encoding="utf-8") as log:
                    print(line, file=log)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def claim(experiment: Experiment) -> Path:
    """Makes runs/<profile>/<name> or goes on in it, for whoever holds it; refuses other settings.

    What other code or data trained, or what is not whole, is set aside; what a kill left behind is removed.
    """
    path = run_folder(experiment)
    finished = (path / LAST).is_file()
    for part in path.glob(".*.part"):
        part.unlink()
    if finished:
        shutil.rmtree(path / "checkpoints", ignore_errors=True)
    data = {name: digest_corpus(name, experiment.root(name), experiment.calm) for name in experiment.corpora}
    absent = [name for name in FILES[: None if finished else 2] if not (path / name).is_file()]
    reason = "" if absent else _find_change(json.loads((path / "environment.json").read_text()), data)
    if absent and (finished or (path / "history.csv").is_file()):  # else it was only begun and holds nothing
        reason = f"lacks {', '.join(absent)}"
    if reason:
        aside = path.with_name(f".{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
        path.rename(aside)
        print(f"{path} {reason}; kept as {aside.name}, training anew.")
    elif not absent:
        _check_same(path, experiment)
    if reason or absent:
        paths.write_json(path / "experiment.json", asdict(experiment))
        now = describe_environment() | {"threads": paths.count_threads(), "data": data}
        paths.write_json(path / "environment.json", now)
    return path


def run_folder(experiment: Experiment) -> Path:
    """runs/<profile>/<name>, whether it is there or not."""
    return paths.runs_root() / experiment.profile / experiment.name


@contextmanager
def explain_full_disk(path: str | Path) -> Iterator[None]:
    """Makes one line of what a full disk raises, by itself or through safetensors, PyTorch and ONNX Runtime."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        if not FULL.search(str(error)) or "free space" in reason:
            raise
        where = "on its disk, or on that of temporary files (the variable TMPDIR names another)"
        raise OSError(f"cannot write {path} ({reason}): free space {where}, and start again.") from None


def code_fingerprint() -> str:
    """Changes with any statement of `CODE`, not with comments or docstrings, nor with the version of Python."""
    return hashlib.sha1(json.dumps(_digest_files()).encode()).hexdigest()[:12]


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
        "files": _digest_files(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _digest_files() -> dict[str, str]:
    """Digests of the files of `CODE`, by their names in the package."""
    files = sorted({file for pattern in CODE for file in paths.PACKAGE.glob(pattern) if file.name not in APART})
    return {file.relative_to(paths.PACKAGE).as_posix(): digest_code(file) for file in files}


def _name_changes(environment: dict) -> str:
    """`: training/trainer.py`, the files that are not today's; "" where a run kept no digests of them."""
    today = _digest_files()
    then = environment.get("files", today)
    changed = sorted(name for name in {*today, *then} if today.get(name) != then.get(name))
    return f": {', '.join(changed)}" if changed else ""


def _find_change(then: dict, data: dict) -> str:
    """Says what a run was trained with that is another now, code or data; "" where it is all the same."""
    if then["code"] != code_fingerprint():
        return f"was trained by other code ({then['code']}{_name_changes(then)})"
    for name, own in data.items():
        before = then.get("data", {}).get(name) or own  # older runs do not say
        if own and own != before:
            more = own["utterances"] - before["utterances"]
            change = f"{more:+d} utterances" if more else "other files or labels"
            return f"was trained on other data ({name} here: {change})"
    return ""


def _check_same(path: Path, experiment: Experiment) -> None:
    there, here = Experiment.from_file(path / "experiment.json").identity(), experiment.identity()
    changes = [f"{name} is {there[name]!r} there, {here[name]!r} here" for name in here if there[name] != here[name]]
    if changes:
        raise ValueError(f"{path} holds another experiment: {'; '.join(changes)}. Move or remove that folder.")
