"""Experiments to runs, and runs to embeddings."""

from sercore.training.ccc_loss import ConcordanceLoss
from sercore.training.embeddings import classify_embeddings, embed, read_head, read_moments
from sercore.training.focal_loss import AdaptiveFocalLoss
from sercore.training.model import build_classifier, load_classifier
from sercore.training.runs import Run, code_fingerprint, find_runs, read_run
from sercore.training.trainer import train
