"""Fixtures for all tests. Without SERCORE_CREMAD and SERCORE_RAVDESS the tests of the real corpora are skipped."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore.demo import write_corpus
from sercore.labels import EMOTIONS


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
