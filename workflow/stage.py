"""Puts what a book is built from into one folder: prose, results, and executed notebooks, which are not run again.

python workflow/stage.py FOLDER PAGE.ipynb ...
"""

import shutil
import sys
from pathlib import Path

import nbformat
import yaml

from sercore.paths import PROJECT


def stage_book(folder: Path, pages: list[Path]) -> None:
    """Makes the folder anew.

    Args:
        folder: of the book; what is in it goes.
        pages: executed notebooks.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("book", "results"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "_toc.yml", folder)
    config = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["exclude_patterns"] = ["notebooks/*"]
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "notebooks").mkdir()
    for page in pages:
        nbformat.write(hide_injected(nbformat.read(page, as_version=4)), folder / "notebooks" / page.name)


def hide_injected(notebook):
    """The notebook with the cell that papermill adds left out of the page."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("remove-cell")
    return notebook


if __name__ == "__main__":
    stage_book(Path(sys.argv[1]), [Path(page) for page in sys.argv[2:]])
