"""Puts what a book is built from into one folder: prose, results, and executed notebooks, which are not run again.

The first screen of a page says what came out: the first sentences of "What it means". A part closes with those of all
its pages.

python workflow/stage.py FOLDER PAGE.ipynb ...
"""

import re
import shutil
import sys
from ast import literal_eval
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
    config = yaml.safe_load((PROJECT / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["exclude_patterns"] = ["notebooks/*"]
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "notebooks").mkdir()
    notebooks = {page.stem: nbformat.read(page, as_version=4) for page in pages}
    toc = yaml.safe_load((PROJECT / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        if text := close_part(part, notebooks):
            part["chapters"].append({"file": f"book/closing_{part['caption'].lower()}"})
            (folder / f"{part['chapters'][-1]['file']}.md").write_text(text, encoding="utf-8")
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    for name, notebook in notebooks.items():
        nbformat.write(open_with_results(hide_injected(notebook)), folder / "notebooks" / f"{name}.ipynb")


def hide_injected(notebook):
    """The notebook with the cell that papermill adds left out of the page."""
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("remove-cell")
    return notebook


def summarize(notebook) -> str:
    """The first two sentences of what a page means."""
    (meaning,) = (cell.source for cell in notebook.cells if cell.source.startswith("## What it means"))
    paragraph = meaning.split("\n\n")[1].replace("\n", " ")
    sentences = re.split(r"(?<=[.!?]) |(?<=[.!?]\*\*) ", paragraph)
    return " ".join(sentences[: 3 if paragraph.startswith("**") else 2])  # after a bold heading


def close_part(part: dict, notebooks: dict) -> str:
    """What the pages of a part came to, with their numbers; of the folds, the first. "" where it has no pages."""
    lines = []
    for name in (Path(chapter["file"]).name for chapter in part["chapters"]):
        if name in notebooks and not re.search("fold_[2-5]", name):
            title = notebooks[name].cells[0].source.partition("\n")[0].removeprefix("# ")
            text = re.sub(r"\]\((\w+\.ipynb)", r"](../notebooks/\1", print_numbers(notebooks[name]))
            lines.append(f"**[{title}](../notebooks/{name}.ipynb).** {text}")
    return "\n\n".join([f"# {part['caption']}: what came out", *lines]) + "\n" if lines else ""


def print_numbers(notebook) -> str:
    """The summary of a page with its glued values printed, since another page cannot refer to them."""
    glued = {}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if name := output.get("metadata", {}).get("scrapbook", {}).get("name"):
            text = next(iter(output["data"].values()))
            glued[name] = float(text) if text in ("nan", "inf", "-inf") else literal_eval(text)
    return re.sub(r"{glue:text}`(\w+):?([^`]*)`", lambda role: format(glued[role[1]], role[2]), summarize(notebook))


def open_with_results(notebook):
    """The notebook with a box below its introduction: its summary."""
    box = nbformat.v4.new_markdown_cell(f":::{{admonition}} In short\n:class: tip\n{summarize(notebook)}\n:::")
    box["id"] = "in-short"  # not a random one
    notebook.cells.insert(1, box)
    return notebook


if __name__ == "__main__":
    stage_book(Path(sys.argv[1]), [Path(page) for page in sys.argv[2:]])
