"""Whisper's log-mel spectrogram in operators that any ONNX runtime has: convolution, square, matrix product."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad
from transformers.audio_utils import mel_filter_bank

from sercore.audio_files import SAMPLE_RATE

WINDOW, HOP = 400, 160  # samples of a frame, and from one frame to the next
QUIETEST = 1e-10  # power, the floor of Whisper's logarithm
RANGE = 8.0  # decades of power below the utterance's maximum


class LogMel(nn.Module):
    """The features of `WhisperFeatureExtractor` from pre-emphasised audio, without its padding to 30 seconds.

    Whisper knows speech without pre-emphasis. Its filter 1 - a z^-1 multiplies the power at frequency w by
    |1 - a e^{-jw}|^2, so that dividing by it undoes the filter; the division is part of the mel matrix.
    """

    def __init__(self, mel_bins: int, pre_emphasis: float):
        super().__init__()
        bins = WINDOW // 2 + 1
        turns = np.outer(np.arange(bins), np.arange(WINDOW)) / WINDOW
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
        waves = np.concatenate([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]) * hann
        mel = mel_filter_bank(bins, mel_bins, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
        emphasis = np.abs(1 - pre_emphasis * np.exp(-1j * np.linspace(0, np.pi, bins))) ** 2
        self.register_buffer("waves", torch.tensor(waves[:, None], dtype=torch.float32))
        self.register_buffer("mel", torch.tensor(mel.T / emphasis, dtype=torch.float32))

    def forward(self, waveform: Tensor, frames: Tensor) -> Tensor:
        """Makes features (batch, mel_bins, samples // 160), 0 behind each row's `frames` (batch, 1)."""
        width = WINDOW // 2
        # Whisper mirrors the start; behind the end it sees the silence that it is padded with.
        whole = torch.cat([waveform[:, 1 : width + 1].flip(1), pad(waveform, (0, width - HOP))], 1)
        power = conv1d(whole[:, None], self.waves, stride=HOP).square()
        power = power[:, : width + 1] + power[:, width + 1 :]
        levels = (self.mel @ power).clamp(min=QUIETEST).log10()
        inside = mask_frames(frames, levels.shape[2])[:, None]
        floor = torch.where(inside, levels, math.log10(QUIETEST)).amax((1, 2), keepdim=True) - RANGE
        return (torch.maximum(levels, floor) + 4) / 4 * inside


def mask_frames(frames: Tensor, width: int) -> Tensor:
    """Which of `width` frames are real, (batch, width), of counts (batch, 1)."""
    return torch.arange(width, device=frames.device) < frames


def mask_blocks(features: Tensor, frames: Tensor, time_share: float, bins: int) -> Tensor:
    """SpecAugment (Park et al. 2019): a stretch of time and a band of bins of each row take the row's mean.

    Args:
        features: (batch, mel_bins, time), of which `frames` (batch, 1) are real.
        time_share: longest stretch, as a share of a row's frames.
        bins: highest band.
    """
    real = mask_frames(frames, features.shape[2])[:, None]
    mean = (features * real).sum((1, 2)) / (frames[:, 0] * features.shape[1])
    time = _draw_blocks(frames, time_share * frames, features.shape[2])[:, None]
    band = _draw_blocks(torch.full_like(frames, features.shape[1]), torch.full_like(frames, bins), features.shape[1])
    return torch.where((time | band[:, :, None]) & real, mean[:, None, None], features)


def _draw_blocks(sizes: Tensor, longest: Tensor, width: int) -> Tensor:
    length = torch.rand(sizes.shape, device=sizes.device) * longest
    start = torch.rand(sizes.shape, device=sizes.device) * (sizes - length)
    place = torch.arange(width, device=sizes.device)
    return (place >= start) & (place < start + length)
