"""The settings of a voice note: what they are and what is refused."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from sercore.deployment import Rules


def test_defaults_are_those_of_silero_and_of_the_model():
    """silero_vad.get_speech_timestamps; 8 s is the longest input of the paper's model."""
    rules = Rules()
    assert (rules.threshold, rules.release, rules.min_speech, rules.min_silence, rules.pad) == (0.5, 0.35, 0.25, 0.1, 0.03)
    assert (rules.vad, rules.max_pause, rules.window, rules.overlap, rules.aggregate) == (True, 1.0, 8.0, 0.0, "weighted")


def test_rules_travel_as_json():
    rules = Rules(vad=False, window=4, overlap=0.5)
    assert Rules(**json.loads(json.dumps(asdict(rules)))) == rules


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"vad": 1}, "vad is 1; give True or False"),
        ({"threshold": 0}, "threshold is 0; give a probability"),
        ({"threshold": 1.5}, "threshold is 1.5; give a probability"),
        ({"threshold": "0.5"}, "threshold is '0.5'; give a number"),
        ({"threshold": 0.3}, "release is 0.35; give .* at most threshold"),
        ({"release": 0.0}, "release is 0.0; give a probability"),
        ({"min_speech": -0.1}, "min_speech is -0.1; give seconds, 0 or more"),
        ({"min_silence": float("nan")}, "min_silence is nan; give a number"),
        ({"pad": None}, "pad is None; give a number"),
        ({"max_pause": float("inf")}, "max_pause is inf; give a number"),
        ({"window": 0}, "window is 0; give at least 0.1 s"),
        ({"overlap": 8.0}, r"overlap is 8.0; give at least 0.1 s less than window \(8.0 s\)"),
        ({"overlap": True}, "overlap is True; give a number"),
        ({"aggregate": "max"}, "aggregate is 'max'; give one of weighted, mean, median"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, line):
    with pytest.raises(ValueError, match=f"^Rules: {line}") as error:
        Rules(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values", [{"min_speech": 0, "min_silence": 0, "pad": 0, "max_pause": 0}, {"window": 0.1}, {"overlap": 7.9}, {"window": np.float32(2)}]
)
def test_limits_are_allowed(values):
    assert Rules(**values)
