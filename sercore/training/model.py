"""The classifier: a backbone with a pooled linear head over the emotions (section III-C)."""

from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForAudioClassification,
    HubertConfig,
    HubertForSequenceClassification,
    PreTrainedModel,
)

from sercore import paths
from sercore.audio_files import SAMPLE_RATE
from sercore.labels import DIMENSIONS, EMOTIONS
from sercore.training.log_mel_classifier import SAFE, LogMelClassifier, LogMelConfig, read_whisper

# DistilHuBERT's geometry: HuBERT Base's feature encoder under two transformer layers, without the layer norm between.
DISTILHUBERT = {"num_hidden_layers": 2, "feat_proj_layer_norm": False}

# Trained from scratch on a processor, in minutes: 25 frames a second (half of HuBERT's), cheap ReLU, layer norm in the
# feature encoder, which keeps padding out of an utterance, and before each block, which keeps training from collapsing.
CONVOLUTIONS = {"conv_dim": (16, 64, 128, 128, 128), "conv_kernel": (64, 10, 4, 4, 4), "conv_stride": (16, 5, 2, 2, 2)}
NORMS = {"feat_extract_norm": "layer", "feat_extract_activation": "relu", "do_stable_layer_norm": True}
BLOCKS = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 384}
ENDS = {"num_conv_pos_embeddings": 32, "classifier_proj_size": 128}
DROPOUT = dict.fromkeys(("attention_dropout", "activation_dropout", "layerdrop"), 0.0)
SMALL = CONVOLUTIONS | NORMS | BLOCKS | ENDS | DROPOUT
TINY_BLOCKS = {"hidden_size": 48, "num_hidden_layers": 1, "intermediate_size": 96}
TINY_ENDS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 8, "classifier_proj_size": 48}
TINY = SMALL | {"conv_dim": (8, 32, 48, 48, 48)} | TINY_BLOCKS | TINY_ENDS
SCRATCH = {"distilhubert-scratch": DISTILHUBERT, "small": SMALL, "tiny": TINY}

# For phones: 25 frames a second of an utterance's log-mel spectrogram, five of Whisper's layers at a width of 192.
STUDENT = {"stem_strides": (2, 2), "position_kernel": 15, "d_model": 192, "encoder_layers": 5}
STUDENT |= {"encoder_attention_heads": 4, "encoder_ffn_dim": 576}
FILTERBANK = ("small", "tiny")  # their first convolution starts as one

# SpecAugment is Hugging Face's default for HuBERT and not among the paper's augmentations (section III-B).
LABELS = {"id2label": dict(enumerate(EMOTIONS)), "label2id": {name: number for number, name in enumerate(EMOTIONS)}}
SETTINGS = LABELS | {"apply_spec_augment": False}
WHISPER = "whisper-base"


def build_classifier(backbone: str) -> PreTrainedModel:
    """Makes a classifier that takes input_values (batch, samples) at 16 kHz and gives logits (batch, emotions).

    Args:
        backbone: one of `SCRATCH` or student-scratch (random weights, all trained); student (distilled, all trained);
            whisper-base (its first three layers, its stem frozen); the name or folder of a Hugging Face audio model
            (pretrained, its feature encoder frozen; the paper's is ntu-spml/distilhubert); or another student's folder.

    Raises:
        OSError: it is neither here nor reachable on the hub.
        ValueError: it is, but takes no waveforms or classifies nothing.
    """
    if backbone == "student-scratch":
        return LogMelClassifier(LogMelConfig(**STUDENT, **LABELS))
    if backbone in SCRATCH:
        model = HubertForSequenceClassification(HubertConfig(**SCRATCH[backbone], **SETTINGS))
        if backbone in FILTERBANK:
            _start_as_filterbank(model.hubert.feature_extractor.conv_layers[0].conv.weight)
        return model
    try:
        if backbone == "student":
            return AutoModelForAudioClassification.from_pretrained(paths.student_root(), dtype=torch.float32, **SAFE)
        if backbone == WHISPER:
            model = read_whisper(paths.whisper_base(), **LABELS)
        else:
            # A checkpoint that was fine-tuned on other labels loses its head and keeps the rest.
            own = {"config": AutoConfig.from_pretrained(backbone, trust_remote_code=False, **SETTINGS)}
            own |= {"dtype": torch.float32, "ignore_mismatched_sizes": True}
            model = AutoModelForAudioClassification.from_pretrained(backbone, **own, **SAFE)
        if not isinstance(model, LogMelClassifier) or model.config.notice:  # a student is trained whole
            model.freeze_feature_encoder()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        kind, reason = OSError if isinstance(error, OSError) else ValueError, str(error).strip().partition("\n")[0]
        raise kind(
            f"backbone {backbone!r} is no model here or on the Hugging Face hub that classifies waveforms ({reason}); "
            f"name a HuBERT, wav2vec 2.0 or WavLM, its folder, {WHISPER} (SERCORE_TEACHER names its folder), or what "
            f"needs no download: {', '.join([*SCRATCH, 'student', 'student-scratch'])}."
        ) from None
    return model


def build_regressor(backbone: str) -> PreTrainedModel:
    """The same with valence, activation and dominance in the place of logits, which start at the scale's middle."""
    model = build_classifier(backbone)
    model.classifier = nn.Linear(model.classifier.in_features, len(DIMENSIONS))
    nn.init.constant_(model.classifier.bias, 3.0)  # of 1 to 5
    model.config.id2label = dict(enumerate(DIMENSIONS))
    model.config.label2id = {name: number for number, name in model.config.id2label.items()}
    return model


def load_classifier(folder: str | Path) -> PreTrainedModel:
    """Reads a trained classifier from the `model/` of a run, ready to predict."""
    return AutoModelForAudioClassification.from_pretrained(folder, dtype=torch.float32, **SAFE).eval()


@torch.no_grad()
def _start_as_filterbank(weight: Tensor) -> None:
    """Hann-windowed cosines and sines at mel-spaced frequencies; from random filters a small model stays at chance."""
    filters, _, samples = weight.shape
    frequencies = librosa.mel_frequencies(filters, fmin=100, fmax=7600)[:, None]  # Hz
    seconds = (np.arange(samples) - (samples - 1) / 2) / SAMPLE_RATE
    phases = np.pi / 2 * (np.arange(filters) % 2)[:, None]
    bank = np.hanning(samples) * np.cos(2 * np.pi * frequencies * seconds + phases)
    gain = np.sqrt(2)  # as of random filters by He's rule, so that the layers behind see the variance they expect
    weight.copy_(torch.from_numpy(gain * bank / np.linalg.norm(bank, axis=1, keepdims=True))[:, None])
