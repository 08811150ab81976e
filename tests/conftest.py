"""Fixtures for all tests. Real corpora come from SERCORE_CREMAD and SERCORE_RAVDESS; without them those tests are skipped."""

import os
from pathlib import Path

import pandas as pd
import pytest

from sercore.emotions import EMOTIONS


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """No test writes into the project's runs."""
    monkeypatch.setenv("SERCORE_RUNS", str(tmp_path / "runs"))


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
