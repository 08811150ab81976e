"""The functions of the page about the corpora."""

import numpy as np
import pandas as pd
import pytest

from sercore.audio_files import SAMPLE_RATE
from sercore.labels import EMOTIONS


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("corpora")


def test_one_example_of_each_emotion_from_one_speaker(page, table):
    chosen = page.pick_examples(table.assign(duration=1.0))
    assert chosen["emotion"].tolist() == sorted(EMOTIONS) and chosen["speaker"].nunique() == 1


def test_an_example_has_the_median_duration(page):
    table = pd.DataFrame({"speaker": "one", "emotion": "anger", "duration": [9.0, 1.0, 2.0]}, index=[5, 6, 7])
    assert page.pick_examples(table).index.tolist() == [7]


def test_a_speaker_without_every_emotion_gives_way_to_one_with_all(page):
    rows = [("one", "anger"), ("two", "anger"), ("two", "sadness")]
    table = pd.DataFrame(rows, columns=["speaker", "emotion"]).assign(duration=1.0)
    assert set(page.pick_examples(table)["speaker"]) == {"two"}


def test_a_tone_stands_in_the_spectrogram_at_its_frequency(page):
    """Windows of 25 ms resolve 40 Hz, so 1 kHz is row 25; the loudest point is 0 dB, nothing is below -80 dB."""
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    level = page.compute_level(np.sin(2 * np.pi * 1000 * seconds).astype(np.float32))
    assert level.shape == (201, 101)  # 0 to 8 kHz; one column every 10 ms, both ends included
    assert level[:, 50].argmax() == 25
    assert level.max() == 0 and level.min() >= -80
