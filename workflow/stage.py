"""Puts what a book is built from into one folder: prose, results, and executed notebooks, which are not run again.

The first screen of a page says what came out: the first sentences of "What it means".

python workflow/stage.py FOLDER PAGE.ipynb ...
"""

import re
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
        notebook = open_with_results(hide_injected(nbformat.read(page, as_version=4)))
        nbformat.write(notebook, folder / "notebooks" / page.name)


def hide_injected(notebook):
    """The notebook with the cell that papermill adds left out of the page."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("remove-cell")
    return notebook


def open_with_results(notebook):
    """The notebook with a box below its introduction: the first two sentences of what it means."""
    (meaning,) = (cell.source for cell in notebook.cells if cell.source.startswith("## What it means"))
    paragraph = meaning.split("\n\n")[1].replace("\n", " ")
    sentences = re.split(r"(?<=[.!?]) |(?<=[.!?]\*\*) ", paragraph)
    sentences = sentences[: 3 if paragraph.startswith("**") else 2]  # after a bold heading
    box = nbformat.v4.new_markdown_cell(f":::{{admonition}} In short\n:class: tip\n{' '.join(sentences)}\n:::")
    box["id"] = "in-short"  # not a random one
    notebook.cells.insert(1, box)
    return notebook


if __name__ == "__main__":
    stage_book(Path(sys.argv[1]), [Path(page) for page in sys.argv[2:]])
