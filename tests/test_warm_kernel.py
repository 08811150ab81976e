"""Kernels forked from a process that has imported already, and ordinary ones where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from sercore.paths import PROJECT

FIRST = "import os, sys; print('torch' in sys.modules, os.getcwd(), os.environ['SERCORE_RUNS'], os.getpid())"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Executes a notebook of one cell by the kernel `warm`; gives what it printed."""
    monkeypatch.setenv("JUPYTER_PATH", str(PROJECT / "workflow"))
    monkeypatch.setenv("SERCORE_RUNS", str(tmp_path / "mine"))

    def run(source: str) -> list[str]:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbformat.write(notebook, tmp_path / "in.ipynb")
        done = papermill.execute_notebook(
            tmp_path / "in.ipynb", tmp_path / "out.ipynb", kernel_name="warm", progress_bar=False, cwd=tmp_path
        )
        return done.cells[0].outputs[0].text.split()

    return run


@pytest.fixture(scope="module")
def server():
    if sys.platform != "linux":
        pytest.skip("forks from a process with PyTorch in it, which is safe on Linux alone")
    name = f"sercore-test-{os.getpid()}"
    command = [sys.executable, PROJECT / "workflow/warm_kernel.py", "serve", name]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"SERCORE_RUNS": "another"}) as process:
        yield name
        process.terminate()


def test_kernel_has_imported_and_is_where_its_asker_is(run, server, monkeypatch, tmp_path):
    monkeypatch.setenv("SERCORE_KERNELS", server)
    imported, folder, runs, process = run(FIRST)
    assert (imported, folder, runs) == ("True", str(tmp_path), str(tmp_path / "mine"))
    assert run(FIRST)[3] != process, "each page has a kernel of its own"


def test_kernel_is_gone_after_its_page_even_when_it_failed(run, server, monkeypatch):
    monkeypatch.setenv("SERCORE_KERNELS", server)
    process = run(FIRST)[3]
    with pytest.raises(papermill.PapermillExecutionError, match="no good"):
        run("raise ValueError('no good')")
    assert not Path(f"/proc/{process}").exists()


def test_without_a_server_it_is_an_ordinary_kernel(run, monkeypatch):
    monkeypatch.delenv("SERCORE_KERNELS", raising=False)
    assert run(FIRST)[0] == "False"
