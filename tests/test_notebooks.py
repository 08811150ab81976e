"""The pages' sources: pairs agree, no outputs, one skeleton, all of them in the book."""

import ast
import importlib.util
import inspect
import json
import re

import jupytext
import nbformat
import pytest
import yaml

from sercore.deployment import report, voice_report
from sercore.evaluation import ablation, production, tables, transfer
from sercore.paths import PROJECT

NOTEBOOKS = PROJECT / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
FOLD_PAGES = [f"loso_fold_{fold}" for fold in range(1, 6)]
FINDINGS = {
    "corpora": tables.corpus_findings,
    "cremad_ablation": ablation.findings,
    "production_model": production.findings,
    "ravdess_analysis": transfer.findings,
    "quantization_benchmark": report.findings,
    "voice_note": voice_report.findings,
}


@pytest.fixture(scope="module")
def workflow():
    """workflow/notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location("stamping", PROJECT / "workflow" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(name: str):
    return jupytext.read(NOTEBOOKS / f"{name}.py", fmt="py:percent")


def notebook(name: str):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def tagged(pages, tag: str) -> list[int]:
    return [number for number, cell in enumerate(pages.cells) if tag in cell.metadata.get("tags", [])]


def test_every_script_has_its_notebook():
    scripts = sorted(path.stem for path in NOTEBOOKS.glob("*.py") if path.stem != "conftest")
    assert scripts == NAMES == sorted([*FINDINGS, *FOLD_PAGES])


@pytest.mark.parametrize("name", NAMES)
def test_pair_agrees(name):
    one, other = script(name), notebook(name)
    told = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in one.cells]
    assert told == [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in other.cells]


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_and_a_valid_notebook(name):
    pages = notebook(name)
    nbformat.validate(pages)
    code = [cell for cell in pages.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("name", NAMES)
def test_one_parameters_cell_of_plain_values(name):
    pages = notebook(name)
    (number,) = tagged(pages, "parameters")
    lines = ast.parse(pages.cells[number].source).body
    names = {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    assert names.pop("profile") == "demo"
    assert names == ({"fold": int(name[-1])} if name in FOLD_PAGES else {})


@pytest.mark.parametrize("name", NAMES)
def test_the_setup_cell_comes_first_and_is_the_same_everywhere(name):
    pages, first = notebook(name), notebook(NAMES[0])
    (number,) = tagged(pages, "setup")
    assert number == min(place for place, cell in enumerate(pages.cells) if cell.cell_type == "code")
    assert pages.cells[number].source == first.cells[tagged(first, "setup")[0]].source


@pytest.mark.parametrize("name", NAMES)
def test_the_skeleton(name):
    """Title and question first; banner; what it means; next."""
    cells = notebook(name).cells
    assert re.match(r"# [^\n]+\n\n\*[^*]+\?\*\n\nPaper: section", cells[0].source)
    assert any("book.banner(experiment)" in cell.source for cell in cells)
    assert any(cell.source.startswith("## What it means") for cell in cells)
    assert "**Next:**" in cells[-1].source


@pytest.mark.parametrize("name", NAMES)
def test_cells_can_be_run_again(name):
    """Plain variables are parameters; a page that defined others would refuse them when its first cells run again."""
    for cell in notebook(name).cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            for line in ast.parse(cell.source).body:
                assert not isinstance(line, ast.For), cell.source
                assert not isinstance(getattr(line, "value", None), (ast.Constant, ast.JoinedStr)), cell.source


@pytest.mark.parametrize("name", NAMES)
def test_no_paths_and_no_typed_results(name):
    for cell in notebook(name).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"\d[.,]\d|\d\s?%", cell.source), cell.source
        elif "setup" not in cell.metadata.get("tags", []):
            assert not re.search(r"[\"'](\.{0,2}/|[A-Za-z]:\\)|open\(|Path\(", cell.source), cell.source


@pytest.mark.parametrize("page", ["part_evaluation", "comparison"])
def test_no_typed_results_in_prose(page):
    """What a code cell prints is not prose."""
    text = re.sub(r"```\{code-cell\}.*?```", "", (PROJECT / "book" / f"{page}.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(r"\d[.,]\d|\d\s?%", text.partition("---\n\n")[2] or text)


@pytest.mark.parametrize("name", NAMES)
def test_glued_names_exist(name):
    """Every {glue:text}`key` of the prose is a key of the page's findings."""
    findings = FINDINGS.get(name, tables.fold_findings)
    text = "\n".join(cell.source for cell in notebook(name).cells if cell.cell_type == "markdown")
    keys = set(re.findall(r"\{glue:text\}`(\w+)`", text))
    code = ast.walk(ast.parse(inspect.getsource(findings)))
    assert keys and keys <= {node.value for node in code if isinstance(node, ast.Constant)}


def test_every_page_of_the_toc_exists_and_every_notebook_is_in_it():
    toc = yaml.safe_load((PROJECT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    for page in pages:
        assert any((PROJECT / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb")), page
    assert sorted(page for page in pages if page.startswith("notebooks/")) == [f"notebooks/{name}" for name in NAMES]


def test_every_prose_page_is_in_the_toc():
    toc = (PROJECT / "_toc.yml").read_text(encoding="utf-8")
    prose = [path.relative_to(PROJECT).with_suffix("").as_posix() for path in (PROJECT / "book").rglob("*.md")]
    assert [page for page in prose if page not in toc] == []


def test_what_follows_from_the_sources_is_up_to_date(workflow):
    stale = [path for path, text in workflow.contents().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python workflow/notebooks.py"


def test_a_second_run_writes_nothing(workflow, capsys):
    workflow.main()
    assert capsys.readouterr().out == ""


def test_fold_pages_differ_in_title_and_parameter_only(workflow):
    first = (NOTEBOOKS / "loso_fold_1.py").read_text(encoding="utf-8").splitlines()
    for fold in range(2, 6):
        other = (NOTEBOOKS / f"loso_fold_{fold}.py").read_text(encoding="utf-8").splitlines()
        changed = [(one, two) for one, two in zip(first, other, strict=True) if one != two]
        title = "# # Fold {}: one session held out"
        assert changed == [(title.format(1), title.format(fold)), ("fold = 1", f"fold = {fold}")]


def test_a_page_without_a_setup_cell_is_refused(workflow):
    with pytest.raises(ValueError, match="0 setup cells"):
        workflow.stamped("# %%\nprint()\n")


@pytest.mark.parametrize("name", NAMES)
def test_kernel_metadata_is_valid(name):
    """The fields and rules of `kaggle kernels push`; the slug must be the title's."""
    folder = PROJECT / "kaggle" / name
    metadata = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))
    owner, slug = metadata["id"].split("/")
    assert owner == "INSERT_KAGGLE_USERNAME"
    assert slug == re.sub(r"[^a-z0-9]+", "-", metadata["title"].lower()) and 5 <= len(metadata["title"]) <= 50
    assert (folder / metadata["code_file"]).resolve() == NOTEBOOKS / f"{name}.ipynb"
    assert (metadata["language"], metadata["kernel_type"]) == ("python", "notebook")
    assert all(metadata[name] is True for name in ("is_private", "enable_gpu", "enable_internet"))
    assert all(re.fullmatch(r"[\w-]+/[\w-]+", source) for source in metadata["dataset_sources"])
    assert not metadata["competition_sources"] + metadata["kernel_sources"] + metadata["model_sources"]


def test_nothing_else_is_in_the_kaggle_folder():
    assert sorted(path.name for path in (PROJECT / "kaggle").iterdir() if path.is_dir()) == NAMES
