"""Puts what the page "Try it" runs into its folder of the book: a model, Silero's network, ONNX Runtime for browsers, settings.

python workflow/live.py MODEL.onnx FOLDER. Without npm only settings.json is written: it says why, and the page tells the reader.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from compatibility import WEB, web_package

from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment import EmotionClassifier, Rules
from sercore.deployment.vad import packaged
from sercore.evaluation.tables import TITLES
from sercore.training.runs import write_json

# Hears many frames in one call, which browsers run three times as fast as one at a time; the same bits as the network for one.
DETECTOR = "silero_vad_16k_sequence.onnx"
MODULE, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"  # of onnxruntime-web, for one thread
EXAMPLE = "example.wav"
SPOKEN = {"anger": 4.0, "neutral": 11.0, "happiness": 3.0}  # s
PAUSE = 1.5  # s
RATE = 16_000  # Hz
REMEDY = "Build the book again with `make book` on a machine with Node.js, npm and a network."


def live(model: str | Path, folder: str | Path) -> dict:
    """Fills the folder of the page.

    Args:
        model: from `sercore.deployment.quantize`.
        folder: with the page's own scripts.

    Returns:
        What settings.json says; `ready` is False where the page cannot run a model, and `reason` says why.

    Raises:
        FileNotFoundError, ValueError: the model is missing or none of this project.
    """
    folder, told = Path(folder), described(Path(model))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        parts = [*runtime(), packaged().with_name(DETECTOR)]
        for part in parts:
            shutil.copyfile(part, folder / part.name)
        shutil.copyfile(model, folder / told["model"]["file"])
        settings = {"ready": True} | told | {"bytes": {name: (folder / name).stat().st_size for name in needed(told)}}
        soundfile.write(folder / EXAMPLE, example(), RATE)
    except (OSError, ModuleNotFoundError, subprocess.SubprocessError) as error:
        settings = {"ready": False, "reason": f"This copy of the book has no model to try: {_line(error)}. {REMEDY}"}
    write_json(folder / "settings.json", settings)
    return settings


def described(model: Path) -> dict:
    """What the page has to know of a model and how it is run."""
    metadata = EmotionClassifier(model, threads=1).metadata
    names = ("labels", "sample_rate", "max_seconds", "scheme", "synthetic", "corpora", "license", "parameters", "scores")
    return {
        "model": {"file": "model.onnx", "bytes": model.stat().st_size} | {name: metadata.get(name) for name in names},
        "banner": banner(metadata, model.stat().st_size),
        "rules": asdict(Rules(window=min(Rules.window, metadata["max_seconds"]))),
        "detector": DETECTOR,
        "runtime": {"module": MODULE, "binary": BINARY, "version": WEB},
        "example": EXAMPLE,
    }


def banner(metadata: dict, size: int) -> dict:
    """What the model's answers are worth, as the banners of the notebooks say it of their values."""
    corpora = " and ".join(TITLES.get(corpus, corpus) for corpus in metadata.get("corpora", []))
    file = f"The file is of the scheme {metadata.get('scheme', 'fp32')} and has {size / 1e6:.1f} MB."
    if not corpora:
        return {"kind": "demo", "text": f"This model has not been trained. Its answers mean nothing. {file}"}
    if metadata["synthetic"]:
        text = "This model has learned from synthetic voices, so that the book builds in minutes. Its answers mean nothing."
        return {"kind": "demo", "text": f"{text} {file}"}
    kind = "paper" if "iemocap" in metadata["corpora"] else "open"
    text = f"This model has learned from {corpora}, where actors play emotions in English. Of other voices and rooms it knows less."
    return {"kind": kind, "text": f"{text} {file}"}


def runtime() -> list[Path]:
    """Files of onnxruntime-web; raises as `web_package`."""
    return [web_package() / "dist" / name for name in (MODULE, BINARY)]


def needed(told: dict) -> tuple[str, ...]:
    return told["model"]["file"], DETECTOR, MODULE, BINARY


def example(seed: int = 0) -> np.ndarray:
    """A note of a synthetic voice that changes its emotion; float32 (samples,)."""
    rng = np.random.default_rng(seed)
    voice, pause = draw_voice("female", rng), rng.normal(0, 1e-3, round(PAUSE * RATE))
    parts = [part for emotion, seconds in SPOKEN.items() for part in (speak(voice, express(emotion, 1.0), seconds, RATE, rng), pause)]
    return np.concatenate([pause, *parts]).astype(np.float32)


def _line(error: Exception) -> str:
    """What failed in a few words that name no folder of the machine."""
    if isinstance(error, subprocess.SubprocessError):
        return f"npm could not fetch onnxruntime-web {WEB}"
    if isinstance(error, FileNotFoundError):
        return "npm is not installed" if error.filename == "npm" else f"{Path(error.filename).name} is missing"
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    try:
        found = live(*sys.argv[1:])
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(json.dumps(found["bytes"]) if found["ready"] else found["reason"])
