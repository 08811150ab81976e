"""What a trained model makes of utterances just before its last layer, which is linear."""

import hashlib

import datasets
import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from transformers import PreTrainedModel

from sercore import paths
from sercore.data import Collator, UtteranceDataset
from sercore.evaluation.normalization import fit_moments
from sercore.experiment import Experiment
from sercore.training.model import load_classifier
from sercore.training.runs import Run

BATCH = 16  # utterances
EMBEDDED = "embeddings.csv"  # of a recorded run: utterances, in the order of embeddings.npy
HEAD = "head.npy"  # of a recorded run: weight and bias of the last layer, side by side
MOMENTS = "moments.npy"  # of a recorded run: mean and deviation of its training set's embeddings, side by side


def embed(run: Run, part: pd.DataFrame, audio: datasets.Dataset | None) -> np.ndarray:
    """The pooled embeddings (utterances, dimensions) of utterances, float32; a second call reads them from the run.

    Args:
        run: finished, with its weights; or recorded, with what `EMBEDDED` names.
        part: table of utterances, from `load_split`, `load_target` or `cache_audio`.
        audio: holds at least those; None for a recorded run.

    Raises:
        FileNotFoundError: a recorded run keeps no embeddings of some of them.
    """
    if (run.path / EMBEDDED).is_file():
        place = pd.Index(pd.read_csv(run.path / EMBEDDED)["utterance"]).get_indexer(part["utterance"])
        if (place >= 0).all():
            return np.load(run.path / EMBEDDED.replace("csv", "npy"))[place].astype(np.float32)
    names = part["utterance"].str.cat(part["digest"], sep=" ").str.cat(sep="\n")
    file = run.path / "embeddings" / f"{hashlib.sha1(names.encode()).hexdigest()[:12]}.npy"
    if not file.is_file():
        if audio is None or not (run.path / "model").is_dir():
            raise FileNotFoundError(f"{run.path} keeps no embeddings of these {len(part)} utterances; train it here.")
        pooled = pool_utterances(load_classifier(run.path / "model"), run.experiment, part, audio)
        paths.write_array(file, pooled)
    return np.load(file)


def read_head(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Weight (emotions, dimensions) and bias (emotions,) of the last layer."""
    if (run.path / HEAD).is_file():
        kept = np.load(run.path / HEAD)
        return kept[:, :-1], kept[:, -1]
    layer = load_classifier(run.path / "model").classifier
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def read_moments(run: Run, train: pd.DataFrame, audio: datasets.Dataset | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (dimensions,) of the embeddings of a run's training set, as of `fit_moments`."""
    if (run.path / MOMENTS).is_file():
        mean, deviation = np.load(run.path / MOMENTS).astype(float).T
        return mean, deviation
    return fit_moments(embed(run, train, audio))


def classify_embeddings(embeddings, head) -> np.ndarray:
    """Probabilities (utterances, emotions) of embeddings (utterances, dimensions) by a head as of `read_head`."""
    weight, bias = head
    return softmax(embeddings @ weight.T + bias, axis=1)


@torch.inference_mode()
def pool_utterances(
    model: PreTrainedModel, experiment: Experiment, part: pd.DataFrame, audio: datasets.Dataset
) -> np.ndarray:
    """What the last layer, `classifier`, sees of each utterance, float32 (utterances, dimensions).

    Batches hold utterances of similar length, which costs nothing where shorter ones are masked.
    """
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    pooled, order = [], part["seconds"].to_numpy().argsort()
    collate = Collator(experiment.length, experiment.max_seconds)
    batches = torch.utils.data.DataLoader(UtteranceDataset(part, audio), BATCH, sampler=order, collate_fn=collate)
    keep = model.classifier.register_forward_pre_hook(lambda layer, inputs: pooled.append(inputs[0].float().cpu()))
    for batch in batches:
        model(**{name: values.to(model.device) for name, values in batch.items() if name != "labels"})
    keep.remove()
    return torch.cat(pooled).numpy()[order.argsort()]
