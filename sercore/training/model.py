"""The classifier: a backbone with a pooled linear head over the four emotions (section III-C)."""

from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForAudioClassification, HubertConfig, HubertForSequenceClassification, PreTrainedModel

from sercore.data import SAMPLE_RATE
from sercore.emotions import EMOTIONS

# DistilHuBERT's geometry: HuBERT Base's feature encoder under two transformer layers, without the layer norm between.
DISTILHUBERT = {"num_hidden_layers": 2, "feat_proj_layer_norm": False}

# Made to train from scratch on a processor, in minutes and on few utterances: layer norm in the feature encoder keeps
# padding out of an utterance's frames, ReLU is cheap, the strides give 25 frames a second (half of HuBERT's), layer norm
# before rather than after each block keeps training from collapsing, and the first convolution starts as a filterbank.
SMALL = {
    "conv_dim": (16, 64, 128, 128, 128),
    "conv_kernel": (64, 10, 4, 4, 4),
    "conv_stride": (16, 5, 2, 2, 2),
    "feat_extract_norm": "layer",
    "feat_extract_activation": "relu",
    "do_stable_layer_norm": True,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 384,
    "num_conv_pos_embeddings": 32,
    "classifier_proj_size": 128,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "layerdrop": 0.0,
}
TINY = SMALL | {
    "conv_dim": (8, 32, 48, 48, 48),
    "hidden_size": 48,
    "num_hidden_layers": 1,
    "intermediate_size": 96,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 8,
    "classifier_proj_size": 48,
}
SCRATCH = {"distilhubert-scratch": DISTILHUBERT, "small": SMALL, "tiny": TINY}

FILTERBANK = ("small", "tiny")

# SpecAugment is Hugging Face's default for HuBERT and not among the paper's augmentations (section III-B).
SETTINGS = {
    "num_labels": len(EMOTIONS),
    "id2label": dict(enumerate(EMOTIONS)),
    "label2id": {emotion: number for number, emotion in enumerate(EMOTIONS)},
    "apply_spec_augment": False,
}


def build_classifier(backbone: str) -> PreTrainedModel:
    """Makes a classifier that takes input_values (batch, samples) at 16 kHz and gives logits (batch, 4).

    Args:
        backbone: one of `SCRATCH` (random weights, all trained), or the name or folder of a Hugging Face
            audio model (pretrained, its feature encoder frozen; the paper's is ntu-spml/distilhubert).

    Raises:
        OSError: the model is neither on this machine nor reachable on the hub.
        ValueError: it is there, but nothing that classifies audio.
    """
    if backbone in SCRATCH:
        model = HubertForSequenceClassification(HubertConfig(**SCRATCH[backbone], **SETTINGS))
        if backbone in FILTERBANK:
            _start_as_filterbank(model.hubert.feature_extractor.conv_layers[0].conv.weight)
        return model
    try:
        # A checkpoint that was fine-tuned on other labels loses its head and keeps the rest.
        model = AutoModelForAudioClassification.from_pretrained(backbone, ignore_mismatched_sizes=True, **SETTINGS)
    except OSError as error:
        raise OSError(_unreachable(backbone, error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"backbone {backbone!r} is no model that classifies waveforms: {_first_line(error)}") from None
    if not hasattr(model, "freeze_feature_encoder"):
        raise ValueError(f"backbone {backbone!r} has no convolutional feature encoder; take a HuBERT, wav2vec 2.0 or WavLM.")
    model.freeze_feature_encoder()
    return model


def load_classifier(folder: str | Path) -> PreTrainedModel:
    """Reads a trained classifier from the `model/` of a run, ready to be asked."""
    return AutoModelForAudioClassification.from_pretrained(folder).eval()


@torch.no_grad()
def _start_as_filterbank(weight: Tensor) -> None:
    """Hann-windowed cosines and sines at mel-spaced frequencies; training moves them like any other weight.

    From random filters a model of this size does not leave chance level within hundreds of steps.

    Args:
        weight: of the first convolution (filters, 1, samples).
    """
    filters, _, samples = weight.shape
    frequencies = librosa.mel_frequencies(filters, fmin=100, fmax=7600)[:, None]  # Hz
    seconds = (np.arange(samples) - (samples - 1) / 2) / SAMPLE_RATE
    phases = np.pi / 2 * (np.arange(filters) % 2)[:, None]
    bank = np.hanning(samples) * np.cos(2 * np.pi * frequencies * seconds + phases)
    gain = np.sqrt(2)  # as of random filters by He's rule, so that the layers behind see the variance they expect
    weight.copy_(torch.from_numpy(gain * bank / np.linalg.norm(bank, axis=1, keepdims=True))[:, None])


def _unreachable(backbone: str, error: OSError) -> str:
    if Path(backbone).is_dir():
        return f"backbone folder {backbone} cannot be loaded: {_first_line(error)}"
    return (
        f"backbone {backbone!r} is neither a folder here nor reachable on the Hugging Face hub ({_first_line(error)}); "
        f"download it where there is a network (hf download {backbone} --local-dir models/{Path(backbone).name}), pass that "
        f"folder as backbone, or take one that needs no download: {', '.join(SCRATCH)}."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
