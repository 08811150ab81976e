"""What a trained model makes of utterances just before its last layer, which is linear."""

import hashlib

import datasets
import numpy as np
import pandas as pd
import torch

from sercore.data import Collator, UtteranceDataset
from sercore.training.model import load_classifier
from sercore.training.runs import Run

BATCH = 16  # utterances


def embeddings(run: Run, part: pd.DataFrame, audio: datasets.Dataset) -> np.ndarray:
    """The pooled embedding of each utterance; kept in the run's folder, so that a second call only reads.

    Args:
        run: a finished run.
        part: table of utterances, from `with_audio`, `load_split` or `load_target`.
        audio: holds at least those.

    Returns:
        (utterances, dimensions), float32. With the weights of `head`, `embeddings @ weight.T + bias` are the logits.
    """
    told = part["utterance"].str.cat(part["digest"], sep=" ").str.cat(sep="\n")
    file = run.path / "embeddings" / f"{hashlib.sha1(told.encode()).hexdigest()[:12]}.npy"
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        part_file = file.with_suffix(".part")
        with open(part_file, "wb") as stream:
            np.save(stream, _embed(run, part, audio))
        part_file.replace(file)
    return np.load(file)


def head(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Weight (4, dimensions) and bias (4,) of the last layer."""
    layer = load_classifier(run.path / "model").classifier
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


@torch.inference_mode()
def _embed(run: Run, part: pd.DataFrame, audio: datasets.Dataset) -> np.ndarray:
    """Batches hold utterances of similar length, which costs nothing where shorter ones are masked."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, found = load_classifier(run.path / "model").to(device), []
    model.classifier.register_forward_pre_hook(lambda _, pooled: found.append(pooled[0].float().cpu().numpy()))
    dataset = UtteranceDataset(part, audio)
    collate = Collator(run.experiment.length, run.experiment.max_seconds)
    order = dataset.seconds.argsort(kind="stable")
    for first in range(0, len(order), BATCH):
        batch = collate([dataset[int(row)] for row in order[first : first + BATCH]])
        model(**{name: values.to(device) for name, values in batch.items() if name != "labels"})
    return np.concatenate(found)[order.argsort()]
