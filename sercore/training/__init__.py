"""Experiments to runs."""

from sercore.training.embeddings import embeddings, head
from sercore.training.fit import fit
from sercore.training.loss import AdaptiveFocalLoss
from sercore.training.model import build_classifier
from sercore.training.runs import Run, find_runs, read_run

__all__ = ["AdaptiveFocalLoss", "Run", "build_classifier", "embeddings", "find_runs", "fit", "head", "read_run"]
