"""A fourth corpus, as a user adds one: a module with one SPEC. File names as of EMO-DB, such as ``03a01Wa``."""

import re

from sercore.data.corpora.registry import CorpusSpec

WOMEN = ("08", "09", "13", "14", "16")


def describe_utterance(name: re.Match) -> dict:
    """Reads an utterance's columns off its name: speaker, text, emotion, version."""
    sex = "female" if name["speaker"] in WOMEN else "male"
    return {"speaker": name["speaker"], "sex": sex, "code": name["emotion"]}


SPEC = CorpusSpec(
    name="emodb",
    title="EMO-DB",
    license="EMO-DB: free for research",
    markers=("wav",),
    folders=("wav",),
    layout="wav/ with files like 03a01Wa.wav",
    stem=re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[A-Z])(?P<version>[a-z])"),
    emotions={"W": "anger", "F": "happiness", "N": "neutral", "T": "sadness", "A": "fear", "L": "boredom"},
    describe=describe_utterance,
)
