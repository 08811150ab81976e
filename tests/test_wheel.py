"""The wheel in an environment that has NumPy, ONNX Runtime, soundfile and soxr alone, as an app ships it."""

import json
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import export_onnx
from sercore.paths import PROJECT
from sercore.runtime import EmotionClassifier, analyze_voice_note
from sercore.training import build_classifier

RATE = 16_000  # Hz
RUNTIME = ("numpy", "onnxruntime", "soundfile", "soxr")
PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-prose.md", "sercore", "workflow/profiles", "results")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the checkout, which the build would litter."""
    pytest.importorskip("build")
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGED:
        (source / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
        copy(PROJECT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source]
    subprocess.run(command, check=True, capture_output=True)
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """Of an environment with the wheel and what the runtime needs."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=True)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    found = subprocess.run([*install, *RUNTIME], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"pip cannot install {', '.join(RUNTIME)}: {found.stderr.strip().splitlines()[-1]}")
    subprocess.run([*install, "--no-deps", wheel], check=True)
    return python


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """A model with random weights, and a synthetic voice at 44.1 kHz."""
    torch.manual_seed(0)
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    model = export_onnx(build_classifier("tiny").eval(), folder / "model.onnx")
    voice = speak(draw_voice("female", rng), express_emotion("anger", 1.0), 4.0, 44_100, rng)
    soundfile.write(folder / "voice.wav", voice, 44_100)
    return model, folder / "voice.wav"


@pytest.fixture(scope="module")
def use(python, files, tmp_path_factory) -> dict:
    """What tests/use_wheel.py prints, run elsewhere than in the checkout."""
    command = [python, "-W", "error", Path(__file__).with_name("use_wheel.py"), *files]
    done = subprocess.run(command, cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_runtime_needs_nothing_else(use, python):
    assert Path(use["package"]).is_relative_to(python.parents[1])
    assert use["importable"] == []
    assert {*RUNTIME} <= {*use["loaded"]}


def test_predictions_are_those_of_the_checkout(use, files):
    model, voice = files
    classifier = EmotionClassifier(model, threads=1)
    assert use["prediction"] == pytest.approx(classifier.predict(voice), abs=1e-5)
    note = analyze_voice_note(voice, classifier)
    assert (use["note"]["label"], len(use["note"]["windows"])) == (note.label, len(note.windows))
    assert use["note"]["speech_seconds"] == pytest.approx(note.speech_seconds)


def test_wheel_carries_profiles_and_results(use):
    results = PROJECT / "results"
    assert use["profiles"] == sorted(file.name for file in (PROJECT / "workflow/profiles").iterdir())
    assert use["results"] == sorted(file.relative_to(results).as_posix() for file in results.rglob("*.*"))


def test_wheel_carries_every_wing():
    """pyproject.toml names the packages: some lie elsewhere in the checkout."""
    named = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    wings = {".".join(file.parent.relative_to(PROJECT).parts) for file in (PROJECT / "sercore").rglob("__init__.py")}
    assert {*named} == wings | {"sercore.profiles", "sercore.results"}
