"""Loads and runs each scheme on old and new ONNX Runtimes, each in an environment of its own, and in the browser's.

python workflow/compatibility.py OUT.json MODEL=FOLDER ...: each FOLDER holds one .onnx per scheme of a model. Writes
which scheme runs where, with golden waveforms and the probabilities of each scheme in the newest runtime ("expected").
"""

import base64
import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np

from sercore.audio_files import SAMPLE_RATE
from sercore.paths import runs_root, write_json

HERE = Path(__file__).parent
# Versions of onnxruntime, oldest first, and what they need besides.
PYTHON = {"1.17.3": ["numpy<2"], "1.19.2": ["numpy<2"], "1.22.1": [], "1.24.4": [], "1.31.1": []}
WEB = "1.30.0"  # onnxruntime-web
SECONDS = {"tone": 0.5, "voice": 1.0, "long": 3.0}


def make_waveforms(seed: int = 0) -> dict[str, str]:
    """Golden waveforms as base64 of 16-bit samples: a tone, a buzz with falling pitch, and a longer one with pauses."""
    random, found = np.random.default_rng(seed), {}
    for name, seconds in SECONDS.items():
        time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        pitch = 440 if name == "tone" else 220 - 60 * time / seconds
        phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, time.shape)) / SAMPLE_RATE
        voice = sum(np.sin(number * phase) / number for number in range(1, 2 if name == "tone" else 20))
        if name == "long":
            voice = voice * (np.sin(2 * np.pi * time) > -0.5)
        noisy = 0.3 * voice / np.abs(voice).max() + random.normal(0, 0.002, len(time))
        found[name] = base64.b64encode((noisy * 32767).astype("<i2").tobytes()).decode()
    return found


def run_python(version: str, folder: str, golden: Path) -> dict:
    """What one version of onnxruntime makes of the files, in an environment that is made once."""
    place = runs_root() / "runtimes" / version
    python = place / "bin" / "python"
    if not (place / "ready").is_file():
        venv.create(place, with_pip=True, clear=True)
        wanted = [f"onnxruntime=={version}", *PYTHON[version]]
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
        (place / "ready").touch()
    return _read_json([python, HERE / "golden.py", folder, golden])


def run_web(folder: str, golden: Path) -> dict:
    """The same in onnxruntime-web under Node."""
    return _read_json(["node", HERE / "golden.mjs", folder, golden, web_package().parents[1]])


def web_package() -> Path:
    """Folder of onnxruntime-web, fetched once with npm.

    Raises:
        OSError: npm is not installed.
        subprocess.SubprocessError: npm cannot fetch it.
    """
    place = runs_root() / "runtimes" / f"web-{WEB}"
    package = place / "node_modules" / "onnxruntime-web"
    if not (place / "ready").is_file():
        place.mkdir(parents=True, exist_ok=True)
        (place / "package.json").write_text("{}")
        command = ["npm", "install", "--silent", "--fetch-retries=1", f"onnxruntime-web@{WEB}"]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=600)
        (place / "ready").touch()
    return package


def compare_runtimes(folder: str, golden: Path) -> dict:
    """What every runtime makes of the files, and what the newest one does, which is expected of all."""
    results = []
    for version in PYTHON:
        results.append(run_python(version, folder, golden))
        print(folder, results[-1]["runtime"], flush=True)
    expected = results[-1]["schemes"]
    results.append(run_web(folder, golden))
    return {"expected": expected, "runtimes": {result["runtime"]: result["schemes"] for result in results}}


def main(out: str, *models: str) -> None:
    """Runs every model everywhere and writes one file."""
    golden = runs_root() / "runtimes" / "golden.json"
    given = {"sample_rate": SAMPLE_RATE, "waveforms": make_waveforms()}
    write_json(golden, given)
    folders = dict(model.split("=", 1) for model in models)
    found = {name: compare_runtimes(folder, golden) for name, folder in folders.items()}
    write_json(Path(out), given | {"models": found})


def _read_json(command: list) -> dict:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
