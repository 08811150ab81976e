"""CREMA-D: 91 actors, labels in the file names (Cao et al., IEEE Trans. Affective Computing 5(4), 2014)."""

import re
from pathlib import Path

from sercore.data.corpora.files import describe_all, find_audio, wrong_folder

FOLDERS = ("AudioWAV", "AudioMP3", "*/AudioWAV", "*/AudioMP3")
# Actor, sentence, emotion, intensity. Older copies write the intensity of 1040_ITH_SAD_X with a single X.
STEM = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX?)")
EMOTIONS = {"ANG": "anger", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
OTHER_EMOTIONS = ("DIS", "FEA")
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}
ACTORS = range(1001, 1092)
# The corpus's VideoDemographics.csv; the 48 others are men.
FEMALE_ACTORS = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
})


def find_utterances(root: Path) -> tuple[list[dict], dict[str, list[str]]]:
    """Finds the utterances of the four emotions.

    Args:
        root: the corpus folder, with AudioWAV/ or AudioMP3/, or the folder that holds the audio itself.

    Returns:
        One row per utterance, and the names left out by reason.

    Raises:
        FileNotFoundError: there is no file named like a CREMA-D utterance.
    """
    audio = find_audio(root, FOLDERS)
    if not any(map(STEM.fullmatch, audio)):
        raise wrong_folder("cremad", root, "AudioWAV/ with files like 1001_DFA_ANG_XX.wav")
    return describe_all(audio, audio, describe)


def describe(utterance: str) -> dict:
    """Reads an utterance's columns off its name, such as ``1001_DFA_ANG_XX``.

    Raises:
        ValueError: the reason for leaving the utterance out.
    """
    name = STEM.fullmatch(utterance)
    if not name:
        raise ValueError("not a CREMA-D name")
    if int(name["actor"]) not in ACTORS:
        raise ValueError(f"unknown actor {name['actor']}")
    if name["emotion"] in OTHER_EMOTIONS:
        raise ValueError("emotion outside the four")
    if name["emotion"] not in EMOTIONS:
        raise ValueError(f"unknown emotion code {name['emotion']}")
    return {
        "speaker": name["actor"],
        "sex": "female" if int(name["actor"]) in FEMALE_ACTORS else "male",
        "emotion": EMOTIONS[name["emotion"]],
        "intensity": INTENSITIES[name["intensity"]],
    }
