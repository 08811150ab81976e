"""RAVDESS: 24 actors, labels in the file names (Livingstone and Russo, PLoS ONE 13(5), 2018)."""

import re

from sercore.data.corpora.registry import CorpusSpec

AUDIO_ONLY = "03"
SPEECH, SONG = "01", "02"
EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # codes 01 to 08
INTENSITIES = {"01": "normal", "02": "strong"}
ACTORS = range(1, 25)


def describe_utterance(name: re.Match) -> dict:
    """Reads an utterance's columns off its name, such as ``03-01-05-02-01-01-12``; ValueError: why it is left out."""
    if name["modality"] != AUDIO_ONLY:
        raise ValueError(f"not audio-only (modality {name['modality']})")
    if name["channel"] != SPEECH:
        raise ValueError("song channel" if name["channel"] == SONG else f"unknown channel {name['channel']}")
    if int(name["actor"]) not in ACTORS:
        raise ValueError(f"unknown actor {name['actor']}")
    if name["intensity"] not in INTENSITIES:
        raise ValueError(f"unknown intensity {name['intensity']}")
    sex = "male" if int(name["actor"]) % 2 else "female"
    intensity = INTENSITIES[name["intensity"]]
    return {"speaker": f"Actor_{name['actor']}", "sex": sex, "code": name["emotion"], "intensity": intensity}


SPEC = CorpusSpec(
    name="ravdess",
    title="RAVDESS",
    license="RAVDESS: CC BY-NC-SA 4.0, no commercial use",
    markers=("Actor_01",),
    folders=("Actor_*", "*/Actor_*"),  # some copies hold the whole tree a second time, one folder down
    layout="Actor_01/ to Actor_24/ with files like 03-01-05-01-01-01-01.wav",
    stem=re.compile(
        r"(?P<modality>\d\d)-(?P<channel>\d\d)-(?P<emotion>\d\d)-(?P<intensity>\d\d)"
        r"-(?P<statement>\d\d)-(?P<repetition>\d\d)-(?P<actor>\d\d)"
    ),
    emotions={f"{number:02d}": emotion for number, emotion in enumerate(EMOTIONS, start=1)},
    describe=describe_utterance,
)
