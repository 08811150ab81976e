"""CREMA-D: 91 actors, labels in the file names (Cao et al., IEEE Trans. Affective Computing 5(4), 2014)."""

import re

from sercore.data.corpora.registry import CorpusSpec

EMOTIONS = {"ANG": "anger", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness", "DIS": "disgust", "FEA": "fear"}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}
ACTORS = range(1001, 1092)
# The corpus's VideoDemographics.csv; the 48 others are men.
FEMALE_ACTORS = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
})  # fmt: skip


def describe_utterance(name: re.Match) -> dict:
    """Reads an utterance's columns off its name, such as ``1001_DFA_ANG_XX``; ValueError says why it is left out."""
    if int(name["actor"]) not in ACTORS:
        raise ValueError(f"unknown actor {name['actor']}")
    sex = "female" if int(name["actor"]) in FEMALE_ACTORS else "male"
    return {"speaker": name["actor"], "sex": sex, "code": name["emotion"], "intensity": INTENSITIES[name["intensity"]]}


SPEC = CorpusSpec(
    name="cremad",
    title="CREMA-D",
    license="CREMA-D: Open Database License",
    markers=("AudioWAV", "AudioMP3"),
    folders=("AudioWAV", "AudioMP3", "*/AudioWAV", "*/AudioMP3"),
    layout="AudioWAV/ with files like 1001_DFA_ANG_XX.wav",
    # Actor, sentence, emotion, intensity. Older copies write the intensity of 1040_ITH_SAD_X with a single X.
    stem=re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX?)"),
    emotions=EMOTIONS,
    describe=describe_utterance,
)
