"""The classifier: a backbone with a pooled linear head over the four emotions (section III-C)."""

from pathlib import Path

from transformers import AutoModelForAudioClassification, HubertConfig, HubertForSequenceClassification, PreTrainedModel

from sercore.emotions import EMOTIONS

# DistilHuBERT's geometry: HuBERT Base's feature encoder under two transformer layers, without the layer norm between.
DISTILHUBERT = {"num_hidden_layers": 2, "feat_proj_layer_norm": False}

# Made to train from scratch on a processor: layer norm in the feature encoder keeps padding out of an utterance's
# frames, ReLU is cheap, and the strides give 25 frames a second, half of HuBERT's.
SMALL = {
    "conv_dim": (32, 64, 96, 128, 128, 128),
    "conv_kernel": (20, 8, 4, 4, 4, 4),
    "conv_stride": (10, 4, 2, 2, 2, 2),
    "feat_extract_norm": "layer",
    "feat_extract_activation": "relu",
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
    "conv_dim": (8, 16, 32, 32, 48, 48),
    "hidden_size": 48,
    "num_hidden_layers": 1,
    "intermediate_size": 96,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 8,
    "classifier_proj_size": 48,
}
SCRATCH = {"distilhubert-scratch": DISTILHUBERT, "small": SMALL, "tiny": TINY}

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
        return HubertForSequenceClassification(HubertConfig(**SCRATCH[backbone], **SETTINGS))
    try:
        model = AutoModelForAudioClassification.from_pretrained(backbone, **SETTINGS)
    except OSError as error:
        raise OSError(_unreachable(backbone, error)) from None
    except (ValueError, KeyError) as error:
        raise ValueError(f"backbone {backbone!r} is no audio model: {_first_line(error)}") from None
    model.freeze_feature_encoder()
    return model


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
