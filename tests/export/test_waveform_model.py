"""What stands in for parts of training inside the graph computes the same."""

import numpy as np
import pytest
import torch

from sercore.data import preprocess
from sercore.export.waveform_model import Chain, Graph

RATE = 16_000  # Hz
TIME = np.arange(RATE) / RATE
NOISE = np.random.default_rng(0).normal(size=RATE)
SOUNDS = {
    "noise": NOISE,
    "low noise": np.cumsum(NOISE),
    "tone": np.sin(2 * np.pi * 150 * TIME),
    "tone over faint noise": np.sin(2 * np.pi * 150 * TIME) + 1e-4 * NOISE,
    "constant": 1 + 1e-3 * NOISE,
    "silence": np.zeros(RATE),
}


def test_chain_in_the_graph_is_the_chain_of_training():
    """Bursts of noise of all levels at random places, against librosa and NumPy."""
    rng, chain = np.random.default_rng(0), Chain("longest", 2.0, min_samples=1)
    for samples in (1, 2, 511, 512, 1024, 2047, 2048, *rng.integers(3, 80_000, 60)):
        levels = 10 ** rng.uniform(-4, 0, 1 + samples // 700)
        waveform = (rng.normal(size=samples) * np.repeat(levels, 700)[:samples]).astype(np.float32)
        values, lengths = chain(torch.from_numpy(waveform)[None])
        expected = preprocess(waveform)[: 2 * RATE]
        assert lengths.item() == len(expected)
        np.testing.assert_allclose(values[0].numpy(), expected, atol=1e-6)


@pytest.fixture(scope="module")
def layers(random_model):
    """The first layer of a HuBERT with group norm, whose filters are differences of all orders, and its stand-in."""
    model = random_model("group")
    layer = model.hubert.feature_extractor.conv_layers[0]
    filters = np.stack([np.diff(np.eye(layer.conv.kernel_size[0]), order, 0)[0] for order in range(8)])
    with torch.no_grad():
        layer.conv.weight.copy_(torch.from_numpy(filters / np.linalg.norm(filters, axis=1, keepdims=True))[:, None])
        layer.layer_norm.weight.normal_(1, 0.3)
        layer.layer_norm.bias.normal_(0, 0.3)
    return layer, Graph(model, "longest", 8.0).first


def features(layer, waveform: np.ndarray, lengths=None) -> np.ndarray:
    layer.lengths = lengths
    with torch.inference_mode():
        return layer(torch.from_numpy(np.atleast_2d(waveform))[:, None]).numpy()


@pytest.mark.parametrize("sound", SOUNDS)
def test_norm_in_the_filters_is_the_norm_of_their_output(sound, layers):
    """Also where a filter passes next to nothing of a loud sound, as a difference of high order does of a low tone."""
    layer, folded = layers
    waveform = (0.9 * SOUNDS[sound] / max(np.abs(SOUNDS[sound]).max(), 1)).astype(np.float32)
    np.testing.assert_allclose(features(folded, waveform), features(layer, waveform), rtol=0, atol=1e-4)


def test_padding_of_a_row_does_not_count(layers):
    layer, folded = layers
    rows, lengths = np.tile(0.3 * NOISE, (2, 1)).astype(np.float32), torch.tensor([[RATE], [7003]])
    rows[1, 7003:] = 0
    found, alone = features(folded, rows, lengths), features(layer, rows[1, :7003])[0]
    np.testing.assert_allclose(found[1, :, : alone.shape[1]], alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:1], features(layer, rows[0]), rtol=0, atol=1e-5)
