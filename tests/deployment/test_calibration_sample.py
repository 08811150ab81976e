"""The speech that calibrates is a fair draw of what trained, and holds no speaker who tests."""

import pandas as pd
import pytest

from sercore.data import Split
from sercore.deployment.quantize import calibration_sample


@pytest.fixture
def split():
    """Four speakers who train, 100 utterances each, of which half are angry; a fifth validates and a sixth tests."""
    rows = [
        {"path": f"{speaker}-{number}", "corpus": "made-up", "speaker": speaker, "emotion": emotion, "duration": number}
        for speaker in ("a", "b", "c", "d", "e", "f")
        for emotion, count in {"anger": 50, "happiness": 20, "neutral": 20, "sadness": 10}.items()
        for number in range(count)
    ]
    table = pd.DataFrame(rows)
    return Split(table[table["speaker"] < "e"], table[table["speaker"] == "e"], table[table["speaker"] == "f"])


def test_calibration_sample_has_every_emotion_in_its_share_and_every_length(split):
    table = split.train.assign(path=range(400))
    drawn = table.iloc[calibration_sample(Split(table, split.validation, split.test), read=int)]
    assert len(set(drawn["path"])) == 200
    assert drawn["emotion"].value_counts().to_dict() == {"anger": 100, "happiness": 40, "neutral": 40, "sadness": 20}
    assert drawn.loc[drawn["emotion"] == "anger", "duration"].value_counts().between(1, 3).all()


def test_calibration_sample_is_drawn_by_its_seed(split):
    assert calibration_sample(split, read=str) == calibration_sample(split, read=str)
    assert calibration_sample(split, read=str) != calibration_sample(split, read=str, seed=1)


@pytest.mark.parametrize("held", ["validation", "test"])
def test_speaker_who_tests_does_not_calibrate(held, split):
    parts = split.parts | {held: split.parts[held].assign(speaker="c")}
    with pytest.raises(ValueError, match=r"speaker made-up/c \(1 in all\) is in training and in validation or test"):
        calibration_sample(Split(**parts), read=str)


def test_too_few_training_utterances_are_counted(split):
    with pytest.raises(ValueError, match="calibration needs 500 training utterances; there are 400"):
        calibration_sample(split, read=str, count=500)
