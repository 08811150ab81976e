"""The setup cell as Kaggle or Colab would run it, where sercore is missing; elsewhere it does nothing."""

import glob
import importlib.metadata
import importlib.util
from types import SimpleNamespace

import nbformat
import pytest
import yaml

from sercore.paths import PROJECT


@pytest.fixture(scope="module")
def cell() -> str:
    pages = nbformat.read(PROJECT / "notebooks" / "corpora.ipynb", as_version=4)
    return next(cell.source for cell in pages.cells if "setup" in cell.metadata.get("tags", []))


def installed_by(cell: str) -> list[str]:
    """What the cell hands to pip; the notebook's `get_ipython` is the only thing that is not there."""
    commands = []
    shell = SimpleNamespace(run_line_magic=lambda magic, line: commands.append(f"{magic} {line}"))
    exec(compile(cell, "setup", "exec"), {"get_ipython": lambda: shell})
    return commands


@pytest.fixture
def missing(monkeypatch):
    """sercore is not installed, and nothing is attached."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(glob, "glob", lambda pattern, recursive: [])


def test_elsewhere_it_does_nothing(cell):
    assert installed_by(cell) == []


def test_the_wheel_of_an_attached_dataset_is_installed(cell, missing, monkeypatch):
    wheel = "/kaggle/input/datasets/owner/sercore/sercore-0.2.0-py3-none-any.whl"
    monkeypatch.setattr(glob, "glob", lambda pattern, recursive: [wheel])
    (command,) = installed_by(cell)
    assert f"'{wheel}[book]'" in command


def test_without_one_the_repository_is(cell, missing):
    address = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    (command,) = installed_by(cell)
    assert f"'sercore[book] @ git+{address or 'the-address-of-the-repository'}" in command


def test_torch_and_numpy_stay_as_they_are(cell, missing):
    (command,) = installed_by(cell)
    assert command.endswith(" ".join(f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy")))


def test_the_cell_is_five_lines_beside_its_comments(cell):
    assert len([line for line in cell.splitlines() if line and line[0] != "#"]) <= 5
