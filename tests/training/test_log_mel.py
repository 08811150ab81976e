"""The spectrogram is Whisper's, undoes the pre-emphasis, and hides blocks in training."""

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

from sercore.data.preprocessing import PRE_EMPHASIS
from sercore.training.log_mel import LogMel, mask_blocks

FRAMES = torch.tensor([[200]])


def noise(samples) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(samples).astype(np.float32) * 0.1


def test_spectrogram_is_that_of_whispers_feature_extractor():
    waveform = noise(32_000)
    expected = WhisperFeatureExtractor()(waveform, sampling_rate=16_000, return_tensors="pt").input_features[0, :, :200]
    assert torch.allclose(LogMel(80, 0.0)(torch.tensor(waveform)[None], FRAMES)[0], expected, atol=1e-4)


def test_spectrogram_undoes_the_pre_emphasis():
    raw = np.cumsum(noise(32_000)).astype(np.float32) * 0.01
    emphasised = np.append(raw[:1], raw[1:] - PRE_EMPHASIS * raw[:-1]).astype(np.float32)
    undone = LogMel(80, PRE_EMPHASIS)(torch.tensor(emphasised)[None], FRAMES)
    plain = LogMel(80, 0.0)(torch.tensor(raw)[None], FRAMES)
    assert (undone - plain)[
        ..., 2:-2
    ].abs().mean() < 0.02  # of a quarter of a decade each; a Hann window blurs a little


def test_masked_blocks_take_the_mean_and_padding_stays():
    torch.manual_seed(0)
    features = torch.randn(4, 80, 100)
    frames = torch.tensor([[100], [80], [60], [40]])
    features *= torch.arange(100) < frames[:, None]
    masked = mask_blocks(features, frames, 0.2, 20)
    changed = masked != features
    assert changed.any((1, 2)).all()
    assert not changed[3, :, 40:].any()
    mean = features[3, :, :40].mean()
    assert torch.allclose(masked[3][changed[3]], mean, atol=1e-6)
