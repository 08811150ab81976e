"""Descriptions of utterances that the baselines start from."""

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from sercore.training.model import SCRATCH

SMALLEST = SCRATCH["tiny"] | {"feat_extract_norm": "group"}


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("baselines")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder as the hub has it of ntu-spml/distilhubert: a bare model and its feature extractor."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    HubertModel(HubertConfig(**SMALLEST)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


class Audio(list):
    """Rows as of `cache_audio`, of which a column can be read, too."""

    def __getitem__(self, name):
        return [row[name] for row in self] if isinstance(name, str) else super().__getitem__(name)


@pytest.fixture(scope="module")
def audio():
    rng = np.random.default_rng(0)
    return Audio({"utterance": name, "waveform": rng.normal(0, 0.1, 8000).astype(np.float32)} for name in "ab")


def test_a_hub_model_is_the_moments_of_the_average_of_its_layers(page, checkpoint, audio):
    """Of the second utterance, computed apart; wav2vec's extractor brings it to mean 0 and deviation 1."""
    table = pd.DataFrame({"utterance": ["b", "a"], "emotion": "anger", "seconds": 0.5})
    pooled = page.pool_layers(table, audio, checkpoint)
    waveform = torch.from_numpy(audio[1]["waveform"])[None]
    inputs = (waveform - waveform.mean()) / waveform.std(correction=0)
    with torch.inference_mode():
        layers = HubertModel.from_pretrained(checkpoint).eval()(inputs, output_hidden_states=True).hidden_states
    frames = sum(layers)[0] / len(layers)
    expected = np.concatenate([frames.mean(0), frames.std(0, correction=0)])
    assert pooled.shape == (2, 2 * SMALLEST["hidden_size"]) and len(layers) == SMALLEST["num_hidden_layers"] + 1
    np.testing.assert_allclose(pooled[0], expected, atol=1e-4)


def test_a_name_that_is_no_checkpoint_is_refused(page, audio, tmp_path):
    table = pd.DataFrame({"utterance": ["a"], "emotion": "anger", "seconds": 0.5})
    with pytest.raises(OSError, match="absent"):
        page.pool_layers(table, audio, str(tmp_path / "absent"))
