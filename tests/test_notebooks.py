"""The pages' sources: pairs agree, no outputs, one skeleton, all of them in the book, analysis in the open."""

import ast
import re

import jupytext
import nbformat
import pytest
import yaml

from sercore.paths import PROJECT

NOTEBOOKS = PROJECT / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.py") if path.stem != "conftest")
FOLD_PAGES = [f"loso_fold_{fold}" for fold in range(1, 6)]
OWN = {"baselines": {"hub_models": []}}  # parameters of one page alone
WITHOUT_RUN = ["comparison"]  # shows printed numbers only


def notebook(name: str):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def tagged(pages, tag: str) -> list[int]:
    return [number for number, cell in enumerate(pages.cells) if tag in cell.metadata.get("tags", [])]


def prose(name: str) -> str:
    return "\n".join(cell.source for cell in notebook(name).cells if cell.cell_type == "markdown")


def code(name: str) -> str:
    return "\n".join(cell.source for cell in notebook(name).cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", NAMES)
def test_pair_agrees(name):
    one, other = jupytext.read(NOTEBOOKS / f"{name}.py", fmt="py:percent"), notebook(name)
    cells = [
        [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in pages.cells] for pages in (one, other)
    ]
    assert cells[0] == cells[1]


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_and_a_valid_notebook(name):
    pages = notebook(name)
    nbformat.validate(pages)
    assert not any(cell.outputs or cell.execution_count for cell in pages.cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_short(name):
    assert len((NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 250


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_profile_settings_and_what_one_page_needs(name):
    pages = notebook(name)
    (number,) = tagged(pages, "parameters")
    values = {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(pages.cells[number].source).body}
    own = {"fold": int(name[-1])} if name in FOLD_PAGES else OWN.get(name, {})
    assert values == {"profile": "open", "settings": {}} | own


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_handed_over_by_name(name):
    assert "globals()" not in code(name)
    assert name in WITHOUT_RUN or re.search(r"Experiment\.from_profile\(\s*profile.*settings", code(name), re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_the_skeleton(name):
    """Title and question first; setup, then parameters; what it means; next."""
    pages = notebook(name)
    assert re.match(r"# [^\n]+\n\n\*[^*]+\?\*\n\nPaper: section", pages.cells[0].source)
    first = min(place for place, cell in enumerate(pages.cells) if cell.cell_type == "code")
    assert tagged(pages, "setup") == [first] and tagged(pages, "parameters")[0] > first
    assert any(cell.source.startswith("## What it means") for cell in pages.cells)
    assert name in WITHOUT_RUN or "show_banner(" in code(name)
    assert "**Next:**" in pages.cells[-1].source


@pytest.mark.parametrize("name", NAMES)
def test_the_book_opens_a_page_with_its_numbers(load_script, name):
    """Below the introduction, the first sentences of what it means; a fold's own page says the same of each."""
    staged = load_script("stage").open_with_results(notebook(name))
    box = staged.cells[1].source
    assert box.startswith(":::{admonition} In short") and box.count("**") % 2 == 0
    assert "{glue:text}" in box and box.splitlines()[2].endswith(".")


def test_a_part_closes_with_the_numbers_of_its_pages(load_script):
    """Values printed as glued, folds once, links from the folder of the prose."""
    page = nbformat.v4.new_notebook()
    data = {"application/papermill.record/text/plain": "0.8242"}
    output = nbformat.v4.new_output("display_data", data, metadata={"scrapbook": {"name": "UA"}})
    meaning = "## What it means\n\nUA is {glue:text}`UA:.2f` ([more](loss.ipynb)). Good. Left out."
    page.cells = [nbformat.v4.new_markdown_cell("# A page\n"), nbformat.v4.new_code_cell(outputs=[output])]
    page.cells.append(nbformat.v4.new_markdown_cell(meaning))
    chapters = [{"file": f"notebooks/{name}"} for name in ("loso_fold_1", "loso_fold_2", "missing")]
    closing = load_script("stage").close_part(
        {"caption": "Data", "chapters": chapters}, dict.fromkeys(["loso_fold_1", "loso_fold_2"], page)
    )
    line = "**[A page](../notebooks/loso_fold_1.ipynb).** UA is 0.82 ([more](../notebooks/loss.ipynb)). Good."
    assert closing == f"# Data: what came out\n\n{line}\n"
    assert not load_script("stage").close_part({"caption": "Start", "chapters": [{"file": "book/quickstart"}]}, {})


@pytest.mark.parametrize("name", NAMES)
def test_no_paths_and_no_typed_results(name):
    """What a run measured is glued; the level of intervals and tests may stand in the text."""
    text = re.sub(r"\$[^$]*\$|`[^`]*`", "", prose(name))  # formulas, glued numbers and code
    assert not re.search(r"\d[.,]\d|\d\s?%", re.sub(r"\b9?5 %", "", text))
    for cell in notebook(name).cells:
        if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):
            assert not re.search(r"[\"'](\.{0,2}/\w|[A-Za-z]:\\)", cell.source), cell.source


def test_fold_pages_differ_in_title_and_parameter_only():
    first = (NOTEBOOKS / "loso_fold_1.py").read_text(encoding="utf-8").splitlines()
    for fold in range(2, 6):
        other = (NOTEBOOKS / f"loso_fold_{fold}.py").read_text(encoding="utf-8").splitlines()
        changed = [(one, two) for one, two in zip(first, other, strict=True) if one != two]
        title = "# # Fold {}: one session held out"
        assert changed == [(title.format(1), title.format(fold)), ("fold = 1", f"fold = {fold}")]


def test_every_page_of_the_toc_exists_and_every_notebook_is_in_it():
    toc = yaml.safe_load((PROJECT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    for page in pages:
        assert any((PROJECT / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb")), page
    assert sorted(page for page in pages if page.startswith("notebooks/")) == [f"notebooks/{name}" for name in NAMES]


def test_every_prose_page_is_in_the_toc():
    toc = (PROJECT / "_toc.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(PROJECT).with_suffix("").as_posix() for path in (PROJECT / "book").rglob("*.md")]
    assert [page for page in pages if page not in toc] == []


def test_what_follows_from_the_sources_is_up_to_date(load_script, capsys):
    stamping = load_script("notebooks")
    stale = [path for path, text in stamping.contents().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run make notebooks"
    stamping.main()
    assert capsys.readouterr().out == ""


def test_a_page_without_a_setup_cell_is_refused(load_script):
    with pytest.raises(ValueError, match="0 setup cells"):
        load_script("notebooks").stamped("# %%\nprint()\n")


def test_the_cell_that_papermill_adds_is_not_shown(load_script):
    added = nbformat.v4.new_code_cell("fold = 2", metadata={"tags": ["injected-parameters"]})
    pages = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("fold = 1"), added])
    shown = load_script("stage").hide_injected(pages)
    assert [cell.metadata.get("tags", []) for cell in shown.cells] == [[], ["injected-parameters", "remove-cell"]]
