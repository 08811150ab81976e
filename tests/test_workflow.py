"""The graph: five folds by two arms, every page once, and the files that set a fresh machine up."""

import ast
import fcntl
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from sercore.paths import PROJECT

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "2", "--dry-run"]
PAGES = ("corpora", "augmentation", "protocol", "loss", "interpolation", "distillation", "comparison", "acoustics")
PAGES += ("production_model", "calibration", "ravdess_analysis", "speaker_normalization", "known_speaker")
PAGES += ("arousal", "dimensional", "domain_adaptation", "baselines", "compression")
PAGES += ("cremad_ablation", "quantization_benchmark", "quantization_accuracy", "voice_note", "voice_note_evaluation")
MODULES = sorted((PROJECT / "sercore").rglob("*.py"))
TOP = ("cli.py", "__main__.py", "__init__.py")  # they may import every wing
WINGS = {  # wing: the wings that it may import, beside itself and the ground
    "demo": set(),
    "runtime": set(),
    "data": set(),
    "evaluation": set(),
    "training": {"data", "evaluation"},
    "export": {"data", "evaluation", "training", "runtime"},
    "page": {"data", "evaluation", "training", "export", "runtime"},
}
GROUND = {"", "labels", "experiment", "paths", "audio_files", "demo"}


def imported(file) -> set[str]:
    """Second names of the sercore modules that a file imports: `data` of sercore.data.splits."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sercore":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {name.name for name in node.names}
    return found - {"__version__", "load"}  # of sercore itself


@pytest.mark.parametrize(("profile", "arms"), [("demo", "iemocap"), ("open", "ravdess"), ("paper", "iemocap")])
def test_graph_has_five_folds_by_two_arms_and_every_other_page_once(profile, arms):
    """Nothing has run yet (the runs folder of this test is empty), so everything is planned."""
    plan = subprocess.run([*SNAKEMAKE, "--config", f"profile={profile}"], cwd=PROJECT, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stderr
    counts = dict(re.findall(r"^([a-z_]+) +(\d+)$", plan.stdout, re.MULTILINE))
    assert counts == {"fold": "10", "page": str(len(PAGES)), "book": "1", "total": str(11 + len(PAGES))}
    for page in PAGES:
        assert f"notebooks/{page}.ipynb" in plan.stdout
    for fold in range(1, 6):
        for arm in (arms, f"{arms}+cremad"):
            assert f"notebooks/{arm}/loso_fold_{fold}.ipynb" in plan.stdout


def test_unknown_profile_is_refused_with_the_known_ones():
    plan = subprocess.run([*SNAKEMAKE, "--config", "profile=dmo"], cwd=PROJECT, capture_output=True, text=True)
    assert plan.returncode != 0 and "the profiles are demo, open, paper" in plan.stdout + plan.stderr


def test_every_requirement_is_pinned_exactly():
    lines = [line for line in (PROJECT / "requirements.txt").read_text().splitlines() if line and line[0] not in "#-"]
    assert all(re.fullmatch(r"[\w.-]+(<2,)?==[\w.]+", line) for line in lines)
    assert {"torch==2.13.0"} <= set(lines) and any(line.startswith("jupyter-book<2,") for line in lines)


def test_library_bounds_are_loose_and_pinned_by_the_requirements():
    """Hosted notebooks keep the torch and numpy they come with."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    wanted = [line for line in wanted if not line.startswith("sercore[")]
    pinned = {re.split("[<=]", line)[0].lower() for line in (PROJECT / "requirements.txt").read_text().splitlines()}
    assert not any("==" in line for line in wanted)
    assert {re.split("[><=]", line)[0].lower() for line in wanted} <= pinned


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (PROJECT / "README.md").read_text() and "make test" in (PROJECT / ".ci/run").read_text()


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_imports_go_down_only(file):
    wing = file.relative_to(PROJECT / "sercore").parts[0]
    allowed = WINGS.get(wing, set(WINGS) if wing in TOP else set()) | GROUND | {wing, "cli"}
    assert imported(file) <= allowed


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_only_paths_reads_the_environment_and_only_pages_draw(file):
    source = file.read_text(encoding="utf-8")
    assert file.name == "paths.py" or not re.search(r"os\.environ|getenv", source)
    assert file.parent.name == "page" or not re.search(r"^\s*(import|from) matplotlib", source, re.MULTILINE)


def test_the_runtime_stands_on_what_an_app_ships():
    """NumPy, ONNX Runtime, soundfile, soxr and Python's own."""
    allowed = {"sercore", "numpy", "onnxruntime", "soundfile", "soxr", *sys.stdlib_module_names}
    for file in [*(PROJECT / "sercore" / "runtime").rglob("*.py"), PROJECT / "sercore" / "audio_files.py"]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, file


def test_a_module_is_a_noun_and_a_function_a_verb():
    modules = {file.stem for file in MODULES if not file.stem.startswith("__")}
    functions = {
        node.name
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert modules & functions == set()


def test_clean_leaves_what_is_not_ours(tmp_path, monkeypatch):
    """In a folder with a space, beside one with the name before it; another's cache; a demo without its log."""
    monkeypatch.delenv("SERCORE_RUNS", raising=False)
    place, clean = tmp_path / "my book", ["make", "-f", PROJECT / "Makefile", "clean"]
    own = ["runs/demo/progress.log", "runs/cache/cremad-0123456789ab/a", "runs/cache/pool-cremad-0123456789ab.npy"]
    others = ["runs/open/progress.log", "runs/cache/notes.txt", "runs/cache/my-work/a", "../my/a"]
    for name in own + others:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    subprocess.run(clean, cwd=place, check=True)
    assert [name for name in own + others if (place / name).exists()] == others
    (place / "runs/demo").mkdir()
    subprocess.run(clean, cwd=place, check=True)
    assert (place / "runs/demo").is_dir()


def test_make_stands_in_for_a_home_that_cannot_be_written_and_for_any_locale(tmp_path):
    """A home that is not there stands for one that is read-only, which root would write to nevertheless."""
    environment = os.environ | {
        "HOME": f"{tmp_path}/nowhere",
        "LC_ALL": "C",
        "SERCORE_RUNS": str(tmp_path),
        "PYTHONUTF8": "0",
    }
    rules = "show:\n\t@echo $$HOME; python3 -c 'import sys; print(sys.flags.utf8_mode)'\ninclude " + str(
        PROJECT / "Makefile"
    )
    done = subprocess.run(["make", "-sf", "-", "show"], input=rules, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [f"{tmp_path}/home", "1"] and (tmp_path / "home").is_dir(), done.stderr


def run_page(page: str, profile: str, *first: Path) -> subprocess.CompletedProcess:
    """Runs one page of a profile into the runs folder of the test, as `make` does; folders `first` lead its PATH."""
    runs = os.path.relpath(os.environ["SERCORE_RUNS"], PROJECT)
    target = f"{runs}/{Path(profile).stem}/notebooks/{page}.ipynb"
    command = [*SNAKEMAKE[:-1], "--nolock", "--config", f"profile={profile}", "--", target]
    environment = os.environ | {"PATH": ":".join(map(str, (*first, Path(sys.executable).parent, os.environ["PATH"])))}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)


def test_a_page_runs_where_the_path_has_a_space(tmp_path, monkeypatch):
    monkeypatch.setenv("SERCORE_RUNS", str(tmp_path / "my runs"))
    done = run_page("comparison", "open")
    assert done.returncode == 0 and (tmp_path / "my runs/open/notebooks/comparison.ipynb").is_file(), done.stderr


def test_a_profile_runs_beside_another_but_not_beside_itself(tmp_path):
    """Somebody runs `open`: a second runner of it is refused at once, `small` runs."""
    (tmp_path / "runs/open").mkdir(parents=True)
    with open(tmp_path / "runs/open/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused, beside = run_page("comparison", "open"), run_page("comparison", "small")
    assert refused.returncode != 0 and "open is running already" in refused.stdout + refused.stderr
    assert not (tmp_path / "runs/open/notebooks/comparison.ipynb").exists()
    assert beside.returncode == 0 and (tmp_path / "runs/small/notebooks/comparison.ipynb").is_file(), beside.stderr


def test_a_profile_may_be_a_file_and_what_stopped_it_is_printed(tmp_path):
    """Its runs stand beside those of the others, under the file's name."""
    demo = yaml.safe_load((PROJECT / "workflow/profiles/demo.yaml").read_text())
    file = tmp_path / "my profiles/astray.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(demo | {"roots": {"iemocap": "/nowhere"}}))
    stopped = run_page("corpora", str(file))
    line = "corpora: FileNotFoundError: iemocap: the setting roots['iemocap'] names /nowhere, which is not a folder"
    assert stopped.returncode != 0 and f"What stopped it:\n{line}" in stopped.stdout, stopped.stderr
    assert (tmp_path / "runs/astray/logs/corpora.log").is_file()


@pytest.mark.parametrize(("line", "tries"), [("Kernel died before replying to kernel_info", 2), ("ValueError: no", 1)])
def test_a_kernel_that_found_its_port_taken_is_started_once_more(line, tries, tmp_path):
    """Two pages that start at once may be given the same port; whatever else fails at once stops the page."""
    first = tmp_path / "bin/papermill"
    first.parent.mkdir()
    first.write_text(
        f"#!/bin/sh\necho >> {tmp_path}/tries\n[ $(wc -l < {tmp_path}/tries) = 1 ] && echo {line} && exit 1\ncp $1 $2"
    )
    first.chmod(0o755)
    done = run_page("comparison", "open", first.parent)
    assert len((tmp_path / "tries").read_text()) == tries
    assert (done.returncode == 0) == (tries == 2) == (tmp_path / "runs/open/notebooks/comparison.ipynb").is_file()


def test_nothing_strays_into_the_top_of_the_repository():
    """What lies there is named in the design, or is a file that tools look for there."""
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    files = {".gitignore", ".pre-commit-config.yaml", "CITATION.cff", "Makefile", "pyproject.toml", "requirements.txt"}
    files |= {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "LICENSE-prose.md", "README.md", "_config.yml", "_toc.yml"}
    folders = {".ci", ".github", "book", "notebooks", "results", "sercore", "tests", "workflow"}
    assert {name.partition("/")[0] for name in listed.stdout.split("\n") if name} <= files | folders


def test_no_page_looks_for_runs_by_what_its_profile_was_called():
    """Which may be the path of a file; `experiment.profile` is the name."""
    for page in (PROJECT / "notebooks").glob("*.py"):
        assert not re.search(r"/ profile\b|, profile\)|: profile\}", page.read_text(encoding="utf-8")), page.name


def test_the_house_is_thin():
    """Lines of code and docstrings together: the method, and the method with its demo and its pages' parts.

    What makes the models that ship (log-mel classifier, adapter, regression head, views, distillation) is 817 of them,
    what gets to know a speaker 90, what predicts dimensions 84, what tells a file or model that is cut or hostile from
    a whole one 103, what tells by what a run was made, and keeps it for one process, 180, what takes channels out of a
    model and counts operations 111, what goes half of the way back without an adapter 10.
    """
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in MODULES}
    around = sum(count for file, count in lines.items() if file.parent.name in ("demo", "page"))
    assert sum(lines.values()) - around <= 5_145
    assert sum(lines.values()) <= 6_030
