"""The graph: five folds by two arms, every page once, and the files that set a fresh machine up."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sercore.paths import PROJECT

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "2", "--dry-run"]


@pytest.mark.parametrize(("profile", "arms"), [("demo", "iemocap"), ("open", "ravdess"), ("paper", "iemocap")])
def test_graph_has_five_folds_by_two_arms_and_every_other_page_once(profile, arms):
    """Nothing has run yet (the runs folder of this test is empty), so everything is planned."""
    plan = subprocess.run([*SNAKEMAKE, "--config", f"profile={profile}"], cwd=PROJECT, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stderr
    counts = dict(re.findall(r"^([a-z_]+) +(\d+)$", plan.stdout, re.MULTILINE))
    pages = ("corpora", "production", "ravdess", "ablation", "quantization", "voice_note")
    assert counts == {"fold": "10", "total": "17"} | dict.fromkeys((*pages, "book"), "1")
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
    wanted = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = {re.split("[<=]", line)[0].lower() for line in (PROJECT / "requirements.txt").read_text().splitlines()}
    assert not any("==" in line for line in wanted)
    assert {re.split("[><=]", line)[0].lower() for line in wanted} <= pinned


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (PROJECT / "README.md").read_text() and "make test" in (PROJECT / ".ci/run").read_text()


def test_only_paths_reads_the_environment_and_only_plots_draws():
    for file in Path(PROJECT / "sercore").rglob("*.py"):
        source = file.read_text()
        assert file.name == "paths.py" or not re.search(r"os\.environ|getenv", source), file
        assert file.parent.name == "plots" or not re.search(r"^\s*(import|from) matplotlib", source, re.MULTILINE), file
