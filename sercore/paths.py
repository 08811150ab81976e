"""Where things lie. The only module that reads environment variables."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

# A folder that holds one of these is the corpus: its official layout says so.
MARKERS = {"iemocap": ("Session1",), "cremad": ("AudioWAV", "AudioMP3"), "ravdess": ("Actor_01",)}

# Mounts of hosted notebooks and how many levels below them a corpus may lie. Kaggle mounts a dataset
# as /kaggle/input/<dataset> or as /kaggle/input/datasets/<owner>/<dataset>.
MOUNTS = {Path("/kaggle/input"): 6, Path("/content/drive/MyDrive"): 3}


def corpus_root(name: str, given: str = "") -> Path:
    """Finds a corpus folder: the given one, else SERCORE_<NAME>, else data/<name>, else a mount.

    Args:
        name: a key of `MARKERS`.
        given: folder named by the user; "" to search.

    Raises:
        FileNotFoundError: no such folder; the line says where it was looked for and what to do.
    """
    variable = f"SERCORE_{name.upper()}"
    named = given or os.environ.get(variable, "")
    if named:
        folder = Path(named).expanduser().absolute()
        if folder.is_dir():
            return folder
        source = f"the notebook parameter {name}_root" if given else variable
        raise FileNotFoundError(f"{name}: {source} names {folder}, which is not a folder; correct it.")
    for folder in (workspace() / "data" / name, PROJECT / "data" / name):
        if folder.is_dir():
            return folder
    for mount, depth in MOUNTS.items():
        found = _find(MARKERS[name], mount, depth)
        if found:
            return found
    raise FileNotFoundError(
        f"{name}: no corpus folder in data/{name} nor under {', '.join(map(str, MOUNTS))}; "
        f"set {variable} to its folder (how to obtain it: appendix 'Obtaining the corpora')."
    )


def _find(markers: tuple[str, ...], mount: Path, depth: int) -> Path | None:
    """The shallowest folder below `mount` that holds a marker, in sorted order."""
    level = [mount] if mount.is_dir() else []
    for _ in range(depth):
        for folder in level:
            if any((folder / marker).is_dir() for marker in markers):
                return folder
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]
    return None


def workspace() -> Path:
    """Where results may be written: the project, or the working folder where the project is read-only."""
    return PROJECT if os.access(PROJECT, os.W_OK) else Path.cwd()


def runs_root() -> Path:
    """Folder of all runs (SERCORE_RUNS, else runs/)."""
    return Path(os.environ.get("SERCORE_RUNS") or workspace() / "runs")


def cache_root() -> Path:
    """Folder of the preprocessed audio (SERCORE_CACHE, else runs/cache)."""
    return Path(os.environ.get("SERCORE_CACHE") or runs_root() / "cache")


def synthetic_root() -> Path:
    """Folder of the synthetic corpora."""
    return workspace() / "data" / "synthetic"


def results_root() -> Path:
    """Folder of the small committed results: published/ and open/."""
    return PROJECT / "results"


def current_profile() -> str:
    """Profile whose runs the front page shows (SERCORE_PROFILE, set by the workflow; else demo)."""
    return os.environ.get("SERCORE_PROFILE") or "demo"


def profile_file(profile: str) -> Path:
    """YAML file of a profile, by its name or by its own path.

    Raises:
        FileNotFoundError: neither a known name nor a file.
    """
    folder = PROJECT / "workflow" / "profiles"
    file = Path(profile) if profile.endswith((".yaml", ".yml")) else folder / f"{profile}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise FileNotFoundError(f"profile {profile!r}: no file {file}; the profiles are {known}, or name a YAML file.")
    return file
