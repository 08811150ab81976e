"""Corpora to test on: the synthetic ones, and the real files where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercore.data.corpora import write_synthetic


@pytest.fixture(scope="session")
def wav_samples(real_cremad) -> Path:
    """Original wav files of both corpora, beside the full set."""
    folder = real_cremad.parent / "wav_samples"
    if not folder.is_dir():
        pytest.skip(f"no original wav files in {folder}")
    return folder


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory) -> dict[str, Path]:
    """Folders of the synthetic corpora; tests that change something copy what they need."""
    root = tmp_path_factory.mktemp("synthetic")
    return {name: write_synthetic(name, root / name) for name in ("iemocap", "cremad", "ravdess")}


@pytest.fixture
def write_audio() -> Callable:
    """Writes 0.1 s of noise at 16 kHz, in the format that the extension names."""

    def write(path: Path, seconds: float = 0.1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, round(seconds * 16_000))
        opus = path.suffix.lower() == ".opus"
        soundfile.write(path, noise, 16_000, **({"format": "OGG", "subtype": "OPUS"} if opus else {}))
        return path

    return write
