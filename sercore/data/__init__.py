"""Corpora to batches."""

from sercore.data.audio import MAX_SECONDS, SAMPLE_RATE, preprocess, read_audio, suspicious, with_audio
from sercore.data.augment import augment
from sercore.data.corpora import CORPORA, load_corpus, write_synthetic
from sercore.data.dataset import Collator, UtteranceDataset, load_split, load_target
from sercore.data.protocol import (
    Split,
    class_weights,
    loso_split,
    production_split,
    shared_speakers,
    validation_session,
)

__all__ = [
    "CORPORA",
    "MAX_SECONDS",
    "SAMPLE_RATE",
    "Collator",
    "Split",
    "UtteranceDataset",
    "augment",
    "class_weights",
    "load_corpus",
    "load_split",
    "load_target",
    "loso_split",
    "preprocess",
    "production_split",
    "read_audio",
    "shared_speakers",
    "suspicious",
    "validation_session",
    "with_audio",
    "write_synthetic",
]
