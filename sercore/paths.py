"""Where things lie, and how a file comes to lie there whole. The only module that reads environment variables."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).resolve().parent
PROJECT = PACKAGE.parent

INSTALLED = (PACKAGE / "results").is_dir()  # then the package carries copies of what lies elsewhere in the project
DRIVE = Path(os.environ.get("SERCORE_DRIVE") or "/content/drive/MyDrive")  # where Colab mounts Google Drive
# Mounts of hosted notebooks and how many levels below them a corpus may lie. Kaggle mounts a dataset
# as /kaggle/input/<dataset> or as /kaggle/input/datasets/<owner>/<dataset>.
MOUNTS = {Path(os.environ.get("SERCORE_MOUNT") or "/kaggle/input"): 6, DRIVE: 3}


class CorpusAbsent(FileNotFoundError):
    """No folder was named for a corpus, and none lies where one is searched for."""


def corpus_root(name: str, markers: tuple[str, ...], given: str = "") -> Path:
    """Finds a corpus folder: the given one, else SERCORE_<NAME>, else data/<name>, else a mount.

    Args:
        name: of the corpus.
        markers: folders of which the corpus holds at least one: its official layout says so.
        given: folder named by the user; "" to search.

    Raises:
        FileNotFoundError: no such folder; the line says where it was looked for and what to do. A CorpusAbsent where
            nobody has named one.
    """
    variable = f"SERCORE_{name.upper()}"
    if named := given or os.environ.get(variable):
        folder = Path(named).expanduser().absolute()
        if folder.is_dir():
            return folder
        source = f"the setting roots[{name!r}]" if given else variable
        raise FileNotFoundError(f"{name}: {source} names {folder}, which is not a folder; correct it.")
    for folder in chain((workspace() / "data" / name, PROJECT / "data" / name), _search_mounts(markers)):
        if folder.is_dir():
            return folder
    raise CorpusAbsent(
        f"{name}: no corpus folder in data/{name} nor under {', '.join(map(str, MOUNTS))}; "
        f"set {variable} to its folder (how to obtain it: appendix 'Obtaining the corpora')."
    )


def _search_mounts(markers: tuple[str, ...]) -> Iterator[Path]:
    """The folders below the mounts that hold a marker, the shallowest first, in sorted order."""
    for mount, depth in MOUNTS.items():
        level = [mount]
        for _ in range(depth):
            yield from (folder for folder in level if any((folder / marker).is_dir() for marker in markers))
            level = [child for folder in level for child in sorted(folder.glob("*/"))]


def find_sentences() -> list[Path]:
    """More speech without labels, for distillation: the WAV files in SERCORE_SPEECH; none where that is not set."""
    return sorted(Path(folder).glob("*.wav")) if (folder := os.environ.get("SERCORE_SPEECH")) else []


def whisper_base() -> str:
    """Whisper-base's encoder: the folder in SERCORE_TEACHER, else its name on the hub."""
    return os.environ.get("SERCORE_TEACHER") or "openai/whisper-base"


def unlabelled_root() -> str:
    """Folder of CREMA-D's utterances of other emotions (SERCORE_CREMAD_UNLABELLED), "" where they lie with the rest."""
    return os.environ.get("SERCORE_CREMAD_UNLABELLED", "")


def student_root() -> Path:
    """Folder of the distilled student: the one that was distilled here, else the one that is carried."""
    own = runs_root() / "open" / "distillation" / "model"
    return own if own.is_dir() else PACKAGE / "models" / "student"


def workspace() -> Path:
    """Where results may be written: on Colab a mounted Drive, which outlives the machine; else the checkout; else the
    working folder, where there is none or it is read-only.
    """
    if DRIVE.is_dir():
        return DRIVE / "sercore"
    own = (PROJECT / "pyproject.toml").is_file() and os.access(PROJECT, os.W_OK)
    return PROJECT if own else Path.cwd()


def runs_root() -> Path:
    """Folder of all runs (SERCORE_RUNS, else runs/)."""
    return Path(os.environ.get("SERCORE_RUNS") or workspace() / "runs")


def cache_root() -> Path:
    """Folder of what is computed once from audio (SERCORE_CACHE, else runs/cache)."""
    return Path(os.environ.get("SERCORE_CACHE") or runs_root() / "cache")


def synthetic_root() -> Path:
    """Folder of the synthetic corpora."""
    return workspace() / "data" / "synthetic"


def results_root() -> Path:
    """Folder of the small committed results, published/ and open/."""
    return (PACKAGE if INSTALLED else PROJECT) / "results"


def recorded_root(profile: str) -> Path | None:
    """Folder of a profile's recorded runs, results/<profile>/runs; None where SERCORE_RECORDED is "no"."""
    return None if os.environ.get("SERCORE_RECORDED") == "no" else results_root() / profile / "runs"


def recorded_utterances(corpus: str) -> Path:
    """File that keeps the table of a corpus for machines that do not have it."""
    return results_root() / "utterances" / f"{corpus}.csv"


def profiles_root() -> Path:
    """Folder of the profiles."""
    return (PACKAGE if INSTALLED else PROJECT / "workflow") / "profiles"


def current_profile() -> str:
    """Profile whose runs the front page shows (SERCORE_PROFILE, set by the workflow; else open)."""
    return os.environ.get("SERCORE_PROFILE") or "open"


def count_threads() -> int:
    """Threads of a training (OMP_NUM_THREADS, else 1): another number rounds otherwise and gives other results."""
    return int((os.environ.get("OMP_NUM_THREADS") or "1").split(",")[0])


@contextmanager
def whole_file(file: str | Path) -> Iterator[Path]:
    """A path to write to, renamed to `file` at the end, so whole or not at all; an OSError says what to do."""
    file = Path(file)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(file)
    except OSError as error:
        raise OSError(f"cannot write {file}: {error.strerror or error}; free space or name another place.") from None
    finally:
        with suppress(OSError):
            part.unlink()


def write_array(file: str | Path, values: np.ndarray) -> None:
    """Writes an array as .npy, whole or not at all."""
    with whole_file(file) as part, open(part, "wb") as stream:
        np.save(stream, values)


def write_json(file: str | Path, content: dict) -> None:
    """Writes a JSON file, whole or not at all."""
    with whole_file(file) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
