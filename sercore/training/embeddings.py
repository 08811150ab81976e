"""What a trained model makes of utterances just before its last layer, which is linear."""

import hashlib

import datasets
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from sercore import paths
from sercore.data import Collator, UtteranceDataset
from sercore.training.model import load_classifier
from sercore.training.runs import Run

BATCH = 16  # utterances


def embed(run: Run, part: pd.DataFrame, audio: datasets.Dataset) -> np.ndarray:
    """The pooled embeddings (utterances, dimensions) of utterances, float32; a second call reads them from the run.

    Args:
        run: finished, with its weights.
        part: table of utterances, from `load_split`, `load_target` or `cache_audio`.
        audio: holds at least those.
    """
    names = part["utterance"].str.cat(part["digest"], sep=" ").str.cat(sep="\n")
    file = run.path / "embeddings" / f"{hashlib.sha1(names.encode()).hexdigest()[:12]}.npy"
    if not file.is_file():
        pooled = _pool(run, part, audio)
        with paths.whole_file(file) as beside, open(beside, "wb") as stream:
            np.save(stream, pooled)
    return np.load(file)


def read_head(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Weight (emotions, dimensions) and bias (emotions,) of the last layer."""
    layer = load_classifier(run.path / "model").classifier
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def classify_embeddings(embeddings, head) -> np.ndarray:
    """Probabilities (utterances, emotions) of embeddings (utterances, dimensions) by a head as of `read_head`."""
    weight, bias = head
    return softmax(embeddings @ weight.T + bias, axis=1)


@torch.inference_mode()
def _pool(run: Run, part: pd.DataFrame, audio: datasets.Dataset) -> np.ndarray:
    """Batches hold utterances of similar length, which costs nothing where shorter ones are masked."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_classifier(run.path / "model").to(device)
    model.classifier = torch.nn.Identity()  # its logits are now what the last layer would see
    order, collate = part["seconds"].to_numpy().argsort(), Collator(run.experiment.length, run.experiment.max_seconds)
    batches = torch.utils.data.DataLoader(UtteranceDataset(part, audio), BATCH, sampler=order, collate_fn=collate)
    inputs = ({name: batch[name].to(device) for name in batch if name != "labels"} for batch in batches)
    return np.concatenate([model(**batch).logits.float().cpu().numpy() for batch in inputs])[order.argsort()]
