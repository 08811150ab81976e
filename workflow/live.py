"""Puts what the page "Try it" runs into its folder: models, Silero's network, ONNX Runtime for browsers, settings.

python workflow/live.py MODEL.onnx FOLDER. Where SERCORE_PROFILE names another profile than demo, the models that ship
come instead, if there are any. Without npm only settings.json is written: it says why, and so does the page.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from compatibility import WEB, web_package

from sercore import MODELS
from sercore.audio_files import SAMPLE_RATE
from sercore.demo import draw_voice, express_emotion, speak
from sercore.page import format_arm
from sercore.paths import current_profile, results_root, write_json
from sercore.runtime import EmotionClassifier, VoiceNoteSettings
from sercore.runtime.vad import NETWORK

MODULE, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"  # of onnxruntime-web, for one thread
EXAMPLE = "example.wav"  # of a synthetic voice
NOTE = results_root() / "open" / "voice_note.ogg"  # of an actor of CREMA-D
SPOKEN = {"anger": 4.0, "neutral": 11.0, "happiness": 3.0}  # s
PAUSE_SECONDS = 1.5
REMEDY = "Build the book again with `make book` on a machine with Node.js, npm and a network."


def choose_models(own: str | Path) -> list[Path]:
    """The models that ship, the smallest first; the run's own where none is there, or in the demo book."""
    shipped = sorted(filter(Path.is_file, MODELS.values()), key=lambda file: file.stat().st_size)
    return shipped if shipped and current_profile() != "demo" else [Path(own)]


def fill_folder(models: Sequence[Path], folder: str | Path) -> dict:
    """Fills the folder of the page.

    Args:
        models: from `sercore.export`; the page begins with the first, and offers the second as the better one.
        folder: with the page's own scripts.

    Returns:
        What settings.json says; `ready` is False where the page cannot run a model, and `reason` says why.

    Raises:
        FileNotFoundError, ValueError: a model is missing or none of this project.
    """
    folder, settings = Path(folder), describe_page(models)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for part in [*find_runtime(), NETWORK, *models]:
            shutil.copyfile(part, folder / part.name)
        sizes = {name: (folder / name).stat().st_size for name in (MODULE, BINARY, NETWORK.name)}
        settings |= {"ready": True, "bytes": sizes}
        if settings["example"] == EXAMPLE:
            soundfile.write(folder / EXAMPLE, speak_example(), SAMPLE_RATE)
        else:
            shutil.copyfile(NOTE, folder / NOTE.name)
    except (OSError, subprocess.SubprocessError) as error:
        settings = {"ready": False, "reason": f"This copy of the book has no model to try: {_line(error)}. {REMEDY}"}
    write_json(folder / "settings.json", settings)
    return settings


def describe_page(models: Sequence[Path]) -> dict:
    """What the page has to know of its models, and what it runs them with."""
    return {
        "models": [describe_model(model) for model in models],
        "detector": NETWORK.name,
        "runtime": {"module": MODULE, "binary": BINARY, "version": WEB},
        "example": NOTE.name if NOTE.is_file() and current_profile() != "demo" else EXAMPLE,
    }


def describe_model(model: Path) -> dict:
    """What the page has to know of a model and how it is run."""
    metadata, size = EmotionClassifier(model, threads=1).metadata, model.stat().st_size
    scores, scheme = metadata.get("scores"), metadata.get("scheme", "fp32")
    summary = f"Model {model.stem}: {size / 1e6:.1f} MB, scheme {scheme}"
    return {
        "file": model.name,
        "bytes": size,
        "labels": metadata["labels"],
        "summary": f"{summary}, UA {scores['UA']:.3f} on {scores['on']}." if scores else f"{summary}.",
        "rates": {name: scores[key] for name in metadata["labels"] if (key := f"recall_{name}") in (scores or {})},
        "speakers": metadata.get("speakers"),
        "banner": write_banner(metadata),
        "voice_note": asdict(VoiceNoteSettings(window=min(VoiceNoteSettings.window, metadata["max_seconds"]))),
    }


def write_banner(metadata: dict) -> dict:
    """What the model's predictions are worth, as the banners of the notebooks say it of their values."""
    if not metadata["corpora"]:
        return {"kind": "demo", "text": "This model has not been trained. Its predictions mean nothing."}
    if metadata["synthetic"]:
        text = "This model has learned from synthetic voices, so that the book builds in minutes."
        return {"kind": "demo", "text": f"{text} Its predictions mean nothing."}
    corpora = format_arm("+".join(metadata["corpora"]))
    text = f"This model has learned from {corpora}, where actors play emotions in English."
    kind = "paper" if "iemocap" in metadata["corpora"] else "open"
    return {"kind": kind, "text": f"{text} Of other voices and rooms it knows less."}


def find_runtime() -> list[Path]:
    """Files of onnxruntime-web; raises as `web_package`."""
    return [web_package() / "dist" / name for name in (MODULE, BINARY)]


def speak_example(seed: int = 0) -> np.ndarray:
    """A note of a synthetic voice that changes its emotion; float32 (samples,)."""
    rng = np.random.default_rng(seed)
    voice, pause = draw_voice("female", rng), rng.normal(0, 1e-3, round(PAUSE_SECONDS * SAMPLE_RATE))
    parts = [pause]
    for emotion, seconds in SPOKEN.items():
        parts += [speak(voice, express_emotion(emotion, 1.0), seconds, SAMPLE_RATE, rng), pause]
    return np.concatenate(parts).astype(np.float32)


def _line(error: Exception) -> str:
    """What failed in a few words that name no folder of the machine."""
    if isinstance(error, subprocess.SubprocessError):
        return f"npm could not fetch onnxruntime-web {WEB}"
    if isinstance(error, FileNotFoundError) and error.filename:
        return "npm is not installed" if error.filename == "npm" else f"{Path(error.filename).name} is missing"
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    try:
        found = fill_folder(choose_models(sys.argv[1]), sys.argv[2])
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(json.dumps(found["bytes"]) if found["ready"] else found["reason"])
