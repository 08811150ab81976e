"""The settings of a voice note: what they are and what is refused."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from sercore.runtime import VoiceNoteSettings


def test_defaults_are_those_of_silero_and_of_the_model():
    """silero_vad.get_speech_timestamps; 8 s is the longest input of the paper's model."""
    silero = {"threshold": 0.5, "release": 0.35, "min_speech": 0.25, "min_silence": 0.1, "pad": 0.03}
    own = {"vad": True, "max_pause": 1.0, "window": 8.0, "overlap": 0.0, "retry": 30.0, "aggregate": "weighted"}
    assert asdict(VoiceNoteSettings()) == silero | own


def test_settings_travel_as_json():
    settings = VoiceNoteSettings(vad=False, window=4, overlap=0.5)
    assert VoiceNoteSettings(**json.loads(json.dumps(asdict(settings)))) == settings


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"vad": 1}, "vad is 1; give True or False"),
        ({"threshold": 0}, "threshold is 0; give a probability"),
        ({"threshold": 1.5}, "threshold is 1.5; give a probability"),
        ({"threshold": "0.5"}, "threshold is '0.5'; give a number"),
        ({"threshold": 0.3}, r"release is 0.35; give above 0, at most threshold \(0.3\)"),
        ({"release": 0.0}, "release is 0.0; give above 0"),
        ({"min_speech": -0.1}, "min_speech is -0.1; give a number, 0 or more"),
        ({"min_silence": float("nan")}, "min_silence is nan; give a number"),
        ({"pad": None}, "pad is None; give a number"),
        ({"window": 0}, "window is 0; give at least 0.1 s"),
        ({"overlap": 8.0}, r"overlap is 8.0; give 0.1 s less than window \(8.0 s\) at most"),
        ({"overlap": True}, "overlap is True; give a number"),
        ({"aggregate": "max"}, "aggregate is 'max'; give one of weighted, mean, median"),
    ],
)
def test_what_cannot_be_meant_is_refused(values, line):
    with pytest.raises(ValueError, match=f"^VoiceNoteSettings: {line}"):
        VoiceNoteSettings(**values)


NONE = {"min_speech": 0, "min_silence": 0, "pad": 0, "max_pause": 0}


@pytest.mark.parametrize("values", [NONE, {"window": 0.1}, {"overlap": 7.9}, {"window": np.float32(2)}])
def test_limits_are_allowed(values):
    assert VoiceNoteSettings(**values)
