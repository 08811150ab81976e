"""The setup cell as Kaggle, Colab or anything else would run it: in a process of its own that cannot import sercore."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
import yaml

from sercore.paths import PROJECT

KAGGLE = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive", "COLAB_RELEASE_TAG": "release"}  # Kaggle's image is built on Colab's
COLAB = {"COLAB_RELEASE_TAG": "release"}
FORGET = f"""
import sys
sys.meta_path = [finder for finder in sys.meta_path if "__editable__" not in repr(finder)]
sys.path = [folder for folder in sys.path if folder != {str(PROJECT)!r}]
"""
REPORT = """
import importlib.util
found = importlib.util.find_spec("sercore")
print("sercore at", found.origin if found else None, "path", sys.path[0])
print("plain", [name for name, value in globals().items() if name[0] != "_" and isinstance(value, (str, int, float))])
"""


@pytest.fixture(scope="module")
def cell() -> str:
    pages = nbformat.read(PROJECT / "notebooks" / "corpora.ipynb", as_version=4)
    return next(cell.source for cell in pages.cells if "setup" in cell.metadata.get("tags", []))


@pytest.fixture
def pip(tmp_path) -> Path:
    """A stand-in for pip, first on the path, that writes down what it is asked for."""
    folder = tmp_path / "site" / "pip"
    folder.mkdir(parents=True)
    log = tmp_path / "pip.log"
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(f"import sys\nopen({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n")
    return log


def repository(folder: Path) -> Path:
    """What an attached copy of the repository holds, as far as the cell looks."""
    (folder / "sercore").mkdir(parents=True)
    (folder / "sercore" / "__init__.py").touch()
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def run(cell: str, tmp_path: Path, platform: dict) -> subprocess.CompletedProcess:
    """Runs the cell in a working folder, its mounts under tmp_path."""
    for mount, folder in {"/kaggle/input": "kaggle", "/content/drive/MyDrive": "drive"}.items():
        cell = cell.replace(mount, str(tmp_path / folder))
    (tmp_path / "work").mkdir(exist_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE", "COLAB"))}
    return subprocess.run(
        [sys.executable, "-c", FORGET + cell + REPORT],
        cwd=tmp_path / "work",
        env=own | platform | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_elsewhere_it_does_nothing(cell, tmp_path, pip):
    repository(tmp_path / "kaggle" / "copy")
    done = run(cell, tmp_path, {})
    assert done.returncode == 0, done.stderr
    assert "sercore at None" in done.stdout and not pip.exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_it_leaves_no_plain_variable_behind(cell, tmp_path):
    assert "plain []" in run(cell, tmp_path, {}).stdout


@pytest.mark.parametrize("place", ["copy", "copy/main", "datasets/owner/copy", "datasets/owner/copy/main"])
def test_an_attached_dataset_is_picked_up_under_both_mount_layouts(cell, tmp_path, pip, place):
    folder = repository(tmp_path / "kaggle" / place)
    done = run(cell, tmp_path, KAGGLE)
    assert done.returncode == 0, done.stderr
    assert f"sercore at {folder / 'sercore' / '__init__.py'} path {folder}" in done.stdout


def test_a_copy_on_drive_is_picked_up(cell, tmp_path, pip):
    folder = repository(tmp_path / "drive" / "work" / "companion")
    assert f"path {folder}" in run(cell, tmp_path, COLAB).stdout


def test_torch_and_numpy_stay_as_they_are(cell, tmp_path, pip):
    repository(tmp_path / "kaggle" / "copy")
    run(cell, tmp_path, KAGGLE)
    asked = pip.read_text().split()
    assert {f"torch=={version('torch')}", f"numpy=={version('numpy')}"} <= set(asked)
    assert any(word.startswith("audiomentations") for word in asked)


def test_without_a_copy_it_clones_the_repository(cell, tmp_path, pip):
    """A local folder stands for the address; git takes either."""
    origin = repository(tmp_path / "origin")
    git = ["git", "-C", str(origin), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "."]):
        subprocess.run([*git, *command], check=True)
    stamped = re.sub(r'repository="[^"]*"', f'repository="file://{origin}"', cell)
    for _ in range(2):  # the second run finds the clone
        done = run(stamped, tmp_path, COLAB)
        assert done.returncode == 0, done.stderr
        assert f"path {tmp_path / 'work' / 'sercore-repository'}" in done.stdout


@pytest.mark.parametrize("address", ["", "file:///nowhere"])
def test_nothing_to_find_is_one_clear_line(cell, tmp_path, pip, address):
    done = run(re.sub(r'repository="[^"]*"', f'repository="{address}"', cell), tmp_path, KAGGLE)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: sercore not found; attach the repository")
    assert not pip.exists()


def test_packages_that_cannot_be_installed_are_said(cell, tmp_path, pip):
    repository(tmp_path / "kaggle" / "copy")
    (tmp_path / "site" / "pip" / "__main__.py").write_text("raise SystemExit(1)")
    done = run(cell, tmp_path, KAGGLE)
    assert done.returncode == 0 and "switch the internet on" in done.stdout


def test_the_cell_is_short(cell):
    assert len(cell.splitlines()) <= 32


def test_the_address_is_that_of_the_configuration(cell):
    address = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"] or ""
    assert f'repository="{address}"' in cell
