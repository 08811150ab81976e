"""RAVDESS: 24 actors, labels in the file names (Livingstone and Russo, PLoS ONE 13(5), 2018)."""

import re
from pathlib import Path

from sercore.data.corpora.files import describe_all, find_audio, wrong_folder

# Some copies hold the whole tree a second time, one folder down.
FOLDERS = ("Actor_*", "*/Actor_*")
STEM = re.compile(
    r"(?P<modality>\d\d)-(?P<channel>\d\d)-(?P<emotion>\d\d)-(?P<intensity>\d\d)"
    r"-(?P<statement>\d\d)-(?P<repetition>\d\d)-(?P<actor>\d\d)"
)
AUDIO_ONLY = "03"
SPEECH, SONG = "01", "02"
CALM = "02"
EMOTIONS = {"01": "neutral", CALM: "neutral", "03": "happiness", "04": "sadness", "05": "anger"}
OTHER_EMOTIONS = ("06", "07", "08")  # fearful, disgust, surprised
INTENSITIES = {"01": "normal", "02": "strong"}
ACTORS = range(1, 25)


def find_utterances(root: Path, calm: str = "neutral") -> tuple[list[dict], dict[str, list[str]]]:
    """Finds the spoken utterances of the four emotions.

    Args:
        root: the corpus folder, with Actor_01/ and so on, or the folder that holds the audio itself.
        calm: "neutral" counts calm utterances as neutral, "exclude" leaves them out.

    Returns:
        One row per utterance, and the names left out by reason.

    Raises:
        FileNotFoundError: there is no file named like a RAVDESS utterance.
    """
    audio = find_audio(root, FOLDERS)
    if not any(map(STEM.fullmatch, audio)):
        raise wrong_folder("ravdess", root, "Actor_01/ to Actor_24/ with files like 03-01-05-01-01-01-01.wav")
    return describe_all(audio, audio, lambda utterance: describe(utterance, calm))


def describe(utterance: str, calm: str = "neutral") -> dict:
    """Reads an utterance's columns off its name, such as ``03-01-05-02-01-01-12``; odd actors are men.

    Raises:
        ValueError: the reason for leaving the utterance out.
    """
    name = STEM.fullmatch(utterance)
    if not name:
        raise ValueError("not a RAVDESS name")
    if reason := _outside(name, calm):
        raise ValueError(reason)
    return {
        "speaker": f"Actor_{name['actor']}",
        "sex": "male" if int(name["actor"]) % 2 else "female",
        "emotion": EMOTIONS[name["emotion"]],
        "intensity": INTENSITIES[name["intensity"]],
    }


def _outside(name: re.Match, calm: str) -> str:
    """Says why an utterance does not belong to the task; empty when it does."""
    if name["modality"] != AUDIO_ONLY:
        return f"not audio-only (modality {name['modality']})"
    if name["channel"] == SONG:
        return "song channel"
    if name["channel"] != SPEECH:
        return f"unknown channel {name['channel']}"
    if int(name["actor"]) not in ACTORS:
        return f"unknown actor {name['actor']}"
    if name["emotion"] in OTHER_EMOTIONS:
        return "emotion outside the four"
    if name["emotion"] not in EMOTIONS:
        return f"unknown emotion code {name['emotion']}"
    if name["intensity"] not in INTENSITIES:
        return f"unknown intensity {name['intensity']}"
    return "calm excluded" if name["emotion"] == CALM and calm == "exclude" else ""
