"""Fixtures for all tests. Without SERCORE_CREMAD and SERCORE_RAVDESS the tests of the real corpora are skipped."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore.demo import write_corpus
from sercore.labels import EMOTIONS
from sercore.paths import PROJECT


def pytest_collection_modifyitems(items):
    """What is injected goes into the reports."""
    for item in items:
        if mark := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", mark.args[0]))


@pytest.fixture(scope="session")
def load_script() -> Callable:
    """`load_script("record")` is workflow/record.py as a module, anew each time."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(name, PROJECT / "workflow" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def pytest_terminal_summary(terminalreporter, config):
    """Of `make faults`: what was injected, how often, and how often it was lost: neither noticed nor survived."""
    if config.option.markexpr != "fault":
        return
    rows = []
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            counts = dict(report.user_properties)
            times, lost = (0, 0) if outcome == "skipped" else (1, int(outcome != "passed"))
            row = {"injected": counts["fault"], "times": counts.get("times", times), "lost": counts.get("lost", lost)}
            rows.append(row | {"tests skipped": int(outcome == "skipped")})
    if rows:
        table = pd.DataFrame(rows).groupby("injected", sort=False).sum().reset_index()
        terminalreporter.section("faults")
        terminalreporter.write_line(table.to_string(index=False))


@pytest.fixture
def count_faults(record_property) -> Callable:
    """Takes a list with an entry for each fault, True where it was lost; none may be."""

    def count(lost: list[bool]) -> None:
        record_property("times", len(lost))
        record_property("lost", sum(lost))
        assert lost and not any(lost)

    return count


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """No test reads or writes the project's runs, and none leaves variables behind."""
    monkeypatch.setattr(os, "environ", os.environ)  # `datasets` puts a copy in its place, which nothing undoes
    monkeypatch.setenv("SERCORE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SERCORE_RECORDED", "no")


def real_corpus(name: str) -> Path:
    """Folder of the real files, or skip."""
    folder = os.environ.get(f"SERCORE_{name.upper()}")
    if not folder:
        pytest.skip(f"SERCORE_{name.upper()} names no folder of real files")
    return Path(folder)


@pytest.fixture(scope="session")
def real_cremad() -> Path:
    return real_corpus("cremad")


@pytest.fixture(scope="session")
def real_ravdess() -> Path:
    return real_corpus("ravdess")


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory) -> dict[str, Path]:
    """Folders of the synthetic corpora; tests that change something copy what they need."""
    root = tmp_path_factory.mktemp("synthetic")
    return {name: write_corpus(name, root / name) for name in ("iemocap", "cremad", "ravdess")}


@pytest.fixture
def write_audio() -> Callable:
    """Writes 0.1 s of noise at 16 kHz, in the format that the extension names."""

    def write(path: Path, seconds: float = 0.1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, round(seconds * 16_000))
        opus = {"format": "OGG", "subtype": "OPUS"} if path.suffix.lower() == ".opus" else {}
        soundfile.write(path, noise, 16_000, **opus)
        return path

    return write


@pytest.fixture
def table():
    """A made-up corpus: five sessions of two speakers, each with three utterances of every emotion."""
    rows = [
        {
            "utterance": f"S{session}{sex}_{emotion}_{number}",
            "path": f"S{session}{sex}_{emotion}_{number}.wav",
            "corpus": "made-up",
            "speaker": f"S{session}{sex}",
            "sex": {"F": "female", "M": "male"}[sex],
            "session": session,
            "emotion": emotion,
        }
        for session in range(1, 6)
        for sex in "FM"
        for emotion in EMOTIONS
        for number in range(3)
    ]
    return pd.DataFrame(rows)
