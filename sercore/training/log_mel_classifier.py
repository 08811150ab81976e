"""An emotion classifier on a log-mel spectrogram: the first layers of Whisper's encoder, or a student shaped like them.

Waveform in, logits out. Whisper pads every input to 30 seconds; this takes an utterance as long as it is, masked in a
batch.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import AutoConfig, AutoModelForAudioClassification, PreTrainedConfig, PreTrainedModel, WhisperModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer
from transformers.utils import logging

from sercore.data.preprocessing import PRE_EMPHASIS
from sercore.training.log_mel import HOP, LogMel, mask_blocks, mask_frames

LAYERS = 3  # of Whisper-base's six; on held-out speakers of CREMA-D the third tells emotions apart best
LONGEST_WAVE = 10_000  # positions, of Whisper's sinusoids
GEOMETRY = ("d_model", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins", "activation_function")
SAFE = {"trust_remote_code": False, "use_safetensors": True}  # no code and no pickle of a folder or the hub is run
NOTICE = "Whisper: MIT License, Copyright (c) 2022 OpenAI"


class LogMelConfig(PreTrainedConfig):
    """Geometry, in the names of `WhisperConfig`, whose encoder layers read it. The defaults are Whisper-base's."""

    model_type = "log-mel-classifier"
    num_mel_bins: int = 80
    stem_strides: tuple = (1, 2)  # of two convolutions, on 100 frames a second
    d_model: int = 512
    position_kernel: int = 0  # frames of a depthwise convolution that tells positions; 0 for Whisper's sinusoids
    encoder_layers: int = LAYERS
    encoder_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    activation_function: str = "gelu"
    dropout: float = 0.0  # within the layers
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    head_dropout: float = 0.2
    mask_time_share: float = 0.15  # longest stretch that SpecAugment hides in training, of the utterance
    mask_bins: int = 20  # highest band that it hides
    pre_emphasis: float = PRE_EMPHASIS  # of the input, undone in the spectrogram; 0 for audio as recorded
    notice: str = ""  # whose weights it started from, and under which licence


class LogMelClassifier(PreTrainedModel):
    """Two convolutions, pre-norm transformer layers, masked mean and deviation over time, layer norm, linear head.

    The input of `classifier` is the embedding, (batch, 2 d_model). Padding changes no row.
    """

    config_class = LogMelConfig
    main_input_name = "input_values"
    _supports_sdpa = True

    def __init__(self, config: LogMelConfig):
        super().__init__(config)
        width, kernel = config.d_model, config.position_kernel
        first, second = config.stem_strides
        self.log_mel = LogMel(config.num_mel_bins, config.pre_emphasis)
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, 3, first, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, second, padding=1)
        self.positions = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width) if kernel else None
        self.layers = nn.ModuleList([WhisperEncoderLayer(config) for _ in range(config.encoder_layers)])
        self.norm = nn.LayerNorm(2 * width)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(2 * width, config.num_labels)
        self.post_init()
        if not config.notice:  # flash attention's way back, in bfloat16, is a third of a student's step
            self.set_attn_implementation("eager")

    def freeze_feature_encoder(self) -> None:
        """Keeps the two convolutions as they are."""
        for module in (self.conv1, self.conv2):
            module.requires_grad_(False)

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None, **_) -> SequenceClassifierOutput:
        """Classifies utterances; arguments as of `pool_layers`."""
        pooled = self.pool_layers(input_values, attention_mask)[-1]
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(self.norm(pooled))))

    def pool_layers(self, input_values: Tensor, attention_mask: Tensor | None = None) -> list[Tensor]:
        """Mean and deviation over time of what each layer puts out, (batch, 2 d_model) each.

        Args:
            input_values: (batch, samples) at 16 kHz, from `sercore.data.preprocess`; at least 201 samples.
            attention_mask: (batch, samples), 1 where a row has audio; or (batch, 1), how many samples it has; None
                where all are full.
        """
        if attention_mask is None:
            attention_mask = torch.full_like(input_values[:, :1], input_values.shape[1], dtype=torch.long)
        frames = attention_mask.sum(1, keepdim=True) // HOP
        with torch.autocast(input_values.device.type, enabled=False):
            features = self.log_mel(input_values.float(), frames)
            if self.training and self.config.mask_time_share:
                features = mask_blocks(features, frames, self.config.mask_time_share, self.config.mask_bins)
        hidden, frames = self._convolve(features, frames)
        inside = mask_frames(frames, hidden.shape[1])
        bias = torch.where(inside, 0.0, torch.finfo(hidden.dtype).min)[:, None, None].to(hidden.dtype)
        pooled = []
        for layer in self.layers:
            hidden = layer(hidden, bias)
            pooled.append(_pool(hidden.float(), inside[..., None]))
        return pooled

    def _convolve(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Features (batch, mel_bins, time) to the first layer's input (batch, frames, d_model) and its counts."""
        hidden = features
        for convolution in (self.conv1, self.conv2):
            frames = (frames - 1) // convolution.stride[0] + 1
            hidden = gelu(convolution(hidden))
            hidden = hidden * mask_frames(frames, hidden.shape[2])[:, None]
        if self.positions is not None:
            return (hidden + gelu(self.positions(hidden))).transpose(1, 2), frames
        hidden = hidden.transpose(1, 2)
        return hidden + _sinusoids(hidden), frames


def read_whisper(folder: str, **settings) -> LogMelClassifier:
    """Makes a classifier with the stem and the first layers of a Whisper's encoder, and a head still to be trained.

    Args:
        folder: with a Whisper model; or its name on the Hugging Face hub, such as openai/whisper-base.
        settings: of the configuration, such as the labels.

    Raises:
        OSError: no model can be loaded from there.
        ValueError: it is there, but no Whisper.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # decoder and later layers are left out on purpose
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.model_type != "whisper":
            raise ValueError(f"{folder!r} is a {config.model_type}; name a Whisper, such as openai/whisper-base.")
        layers = min(LAYERS, config.encoder_layers)
        sizes = {"encoder_layers": layers, "decoder_layers": 0, "dtype": torch.float32}
        whisper = WhisperModel.from_pretrained(folder, **sizes, **SAFE)
    finally:
        logging.set_verbosity(verbosity)
    geometry = {name: getattr(config, name) for name in GEOMETRY}
    model = LogMelClassifier(LogMelConfig(encoder_layers=layers, notice=NOTICE, **geometry, **settings))
    for name in ("conv1", "conv2", "layers"):
        getattr(model, name).load_state_dict(getattr(whisper.encoder, name).state_dict())
    return model


def _pool(hidden: Tensor, inside: Tensor) -> Tensor:
    """Mean and deviation over the real frames: (batch, time, width) to (batch, 2 width)."""
    count = inside.sum(1)
    mean = (hidden * inside).sum(1) / count
    variance = ((hidden - mean[:, None]).square() * inside).sum(1) / count
    return torch.cat([mean, (variance + 1e-5).sqrt()], 1)


def _sinusoids(hidden: Tensor) -> Tensor:
    """Whisper's positions (time, width), computed, so that they have no longest length and take no bytes."""
    half = hidden.shape[2] // 2
    rates = torch.exp(-math.log(LONGEST_WAVE) / (half - 1) * torch.arange(half, device=hidden.device))
    angles = torch.arange(hidden.shape[1], device=hidden.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1).to(hidden.dtype)


AutoConfig.register(LogMelConfig.model_type, LogMelConfig, exist_ok=True)
AutoModelForAudioClassification.register(LogMelConfig, LogMelClassifier, exist_ok=True)
