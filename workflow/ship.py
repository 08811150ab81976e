"""Makes a model that ships, and its card, from the finished production runs of a profile.

python workflow/ship.py base open, or small small (model, profile): writes sercore/models/NAME.onnx and NAME.md.
The file holds the model of the random split, which knows all speakers; its scores are those of the disjoint one.
Beside it lies what to fine-tune on from: the adapter of a model on Whisper's weights, or the distilled student.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from sercore import MODELS
from sercore.data import load_split
from sercore.evaluation import bootstrap_scores
from sercore.experiment import Experiment
from sercore.export import CALIBRATED, SCHEMES, export_onnx, quantize, sample_calibration, write_model_card
from sercore.paths import runs_root, student_root, whole_file
from sercore.runtime import EmotionClassifier
from sercore.runtime.speaker import describe_speakers
from sercore.training import Run, read_run


def ship(name: str, profile: str, scheme: str) -> Path:
    """Writes the model and its card.

    Args:
        name: one of `MODELS`.
        profile: whose production runs are finished.
        scheme: one of `SCHEMES`; calibrated with training speech of the twin.

    Raises:
        FileNotFoundError, ValueError: a run, its weights or a corpus is missing, or a name is unknown.
    """
    experiments = [Experiment.from_profile(profile, split=split) for split in ("random", "disjoint")]
    run, twin = (read_run(runs_root() / experiment.profile / experiment.name) for experiment in experiments)
    speech = sample_calibration(load_split(twin.experiment)[0]) if scheme in CALIBRATED else []
    table = runs_root() / run.experiment.profile / "tables" / "transfer.csv"
    transfer = pd.read_csv(table, index_col="score") if table.is_file() else None
    with tempfile.TemporaryDirectory() as folder:
        whole = export_onnx(run, Path(folder, "fp32.onnx"))
        quantized = quantize(whole, scheme, Path(folder, "quantized.onnx"), speech)
        model, speakers = onnx.load(quantized), find_speakers(quantized, load_split(run.experiment)[0].train)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    more = {"scores": summarize_scores(twin, transfer), "speakers": speakers}
    onnx.helper.set_model_props(model, metadata | {name: json.dumps(value) for name, value in more.items()})
    file = MODELS[name]
    with whole_file(file) as part:
        onnx.save(model, part)
    size, parameters = file.stat().st_size / 1e6, json.loads(metadata["parameters"])
    note = f"`{file.name}`: {size:.1f} MB, {parameters / 1e6:.1f} million parameters, scheme `{scheme}`"
    write_model_card(run, file.with_suffix(".md"), twin, transfer, [f"{note} ({SCHEMES[scheme].recipe})."])
    keep_backbone(run, file.parent)
    return file


def keep_backbone(run: Run, folder: Path) -> None:
    """Copies what is ours alone: folder/adapter, or folder/student in float16 (its spectrogram's tables in float32)."""
    if run.experiment.adapter_rank:
        shutil.copytree(run.path / "adapter", folder / "adapter", dirs_exist_ok=True)
    elif run.experiment.backbone == "student" and student_root() != folder / "student":
        weights = load_file(student_root() / "model.safetensors")
        halves = {name: tensor if name.startswith("log_mel") else tensor.half() for name, tensor in weights.items()}
        (folder / "student").mkdir(exist_ok=True)
        shutil.copyfile(student_root() / "config.json", folder / "student" / "config.json")
        with whole_file(folder / "student" / "model.safetensors") as part:
            save_file(halves, part, {"format": "pt"})


def find_speakers(file: Path, train: pd.DataFrame) -> dict:
    """Where the mean of the training speakers lies by this file, for `SpeakerClassifier`."""
    classifier = EmotionClassifier(file)
    probabilities = np.array([classifier.probabilities(path) for path in tqdm(train["path"], "training speakers")])
    return describe_speakers(probabilities, train["emotion"].to_numpy())


def summarize_scores(twin: Run, transfer: pd.DataFrame | None) -> dict:
    """What the file says of its scores: each with its 95 % interval, what on, and those on the target corpus."""
    speakers = twin.predictions["speaker"].nunique()
    origin = {"on": f"{len(twin.predictions)} utterances of {speakers} held-out speakers", "by": "a twin"}
    scores = _with_intervals(bootstrap_scores(twin.predictions)) | origin
    return scores if transfer is None else scores | {"transfer": {twin.experiment.target: _with_intervals(transfer)}}


def _with_intervals(table: pd.DataFrame) -> dict:
    table = table[~table.index.str.startswith("f1_")].round(4)
    return table["value"].to_dict() | {"intervals": table[["low", "high"]].T.to_dict("list")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("profile")
    parser.add_argument("--scheme", choices=SCHEMES, default="w8a8")
    given = parser.parse_args()
    try:
        print(ship(given.name, given.profile, given.scheme))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
