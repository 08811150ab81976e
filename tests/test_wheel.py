"""The wheel in an environment that has NumPy, ONNX Runtime, soundfile, soxr and typer alone, and no network."""

import json
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sercore import MODELS
from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import export_onnx
from sercore.paths import PROJECT
from sercore.runtime import EmotionClassifier, analyze_voice_note
from sercore.training import build_classifier

RATE = 16_000  # Hz
RUNTIME = ("numpy", "onnxruntime", "soundfile", "soxr")
OFFLINE = """import sys


def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"{event} without a network: {arguments}")


sys.addaudithook(refuse)
"""
PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-prose.md", "sercore", "workflow/profiles", "results")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """One with random weights."""
    torch.manual_seed(0)
    return export_onnx(build_classifier("tiny").eval(), tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def source(model, tmp_path_factory) -> Path:
    """A copy of the checkout, which a build would litter; the random model stands in for one that is not there yet."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGED:
        (source / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
        copy(PROJECT / name, source / name)
    for file in MODELS.values():
        copy = source / file.relative_to(PROJECT)
        copy.parent.mkdir(exist_ok=True)
        if not copy.is_file():
            shutil.copyfile(model, copy)
    return source


@pytest.fixture(scope="module")
def wheel(source) -> Path:
    pytest.importorskip("build")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source]
    subprocess.run(command, check=True, capture_output=True)
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """Of an environment with the wheel and what the runtime needs; then its network is gone."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=True)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    found = subprocess.run([*install, *RUNTIME, "typer"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"pip cannot install {', '.join(RUNTIME)} and typer: {found.stderr.strip().splitlines()[-1]}")
    subprocess.run([*install, "--no-deps", wheel], check=True)
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "offline.py").write_text(OFFLINE)
    (packages / "offline.pth").write_text("import offline\n")  # which every start of this Python runs
    return python


@pytest.fixture(scope="module")
def voice(tmp_path_factory) -> Path:
    """A synthetic voice at 44.1 kHz."""
    file, rng = tmp_path_factory.mktemp("voice") / "voice.wav", np.random.default_rng(0)
    soundfile.write(file, speak(draw_voice("female", rng), express_emotion("anger", 1.0), 4.0, 44_100, rng), 44_100)
    return file


@pytest.fixture(scope="module")
def use(python, model, voice, tmp_path_factory) -> dict:
    """What tests/use_wheel.py prints, run elsewhere than in the checkout."""
    command = [python, "-W", "error", Path(__file__).with_name("use_wheel.py"), model, voice]
    done = subprocess.run(command, cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_runtime_needs_nothing_else(use, python):
    assert Path(use["package"]).is_relative_to(python.parents[1])
    assert use["importable"] == []
    assert {*RUNTIME} <= {*use["loaded"]} and "typer" not in use["loaded"]


def test_environment_reaches_no_network(python):
    script = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True)
    assert "without a network" in done.stderr


@pytest.mark.parametrize("name", MODELS)
def test_models_are_in_the_wheel(name, use, source, voice):
    expected = EmotionClassifier(source / MODELS[name].relative_to(PROJECT), threads=1).predict(voice)
    assert use["shipped"][name] == pytest.approx(expected, abs=1e-5)


def test_command_needs_no_name_of_a_model(python, use, voice, tmp_path):
    command = [python, "-m", "sercore", "predict", voice, "--json", "--no-vad"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed["file"] == str(voice) and sum(printed["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_cards_lie_beside_the_models_in_the_wheel(wheel, source):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("sercore/models/")}
    files = {file.relative_to(source).as_posix() for file in (source / "sercore/models").rglob("*") if file.is_file()}
    assert names == files


def test_predictions_are_those_of_the_checkout(use, model, voice):
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
