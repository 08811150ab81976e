"""IEMOCAP: ten actors in five sessions, labels in EmoEvaluation (Busso et al., LRE 42(4), 2008)."""

import re
from pathlib import Path

from sercore.data.corpora.registry import CorpusSpec, LeftOut

SESSIONS = ("Session[1-5]", "*/Session[1-5]")  # the folder of the corpus, or the one above it
# [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5000, 2.5000, 2.5000]: the raters' means, from 1 to 5
SUMMARY = re.compile(
    r"\[[\d.]+\s*-\s*[\d.]+\]\s+(?P<utterance>\S+)\s+(?P<code>\S+)"
    r"\s+\[(?P<valence>[\d.]+),\s*(?P<activation>[\d.]+),\s*(?P<dominance>[\d.]+)\]\s*"
)
# Excitement counts as happiness (paper, section III-A).
CLASSES = {"ang": "anger", "hap": "happiness", "exc": "happiness", "neu": "neutral", "sad": "sadness"}
REST = {"dis": "disgust", "fea": "fear", "fru": "frustration", "sur": "surprise", "oth": "other", "xxx": "no agreement"}
SEXES = {"F": "female", "M": "male"}


def describe_utterance(name: re.Match) -> dict:
    """Reads an utterance's columns off its name, such as ``Ses03M_impro05a_F012``, which a woman speaks."""
    sex = SEXES[name["letter"]]
    return {"speaker": name["recording"] + name["letter"], "sex": sex, "session": int(name["session"])}


def read_labels(root: Path) -> tuple[dict[str, dict], LeftOut]:
    """Reads code, valence, activation and dominance by utterance, and names the lines that cannot be read."""
    files = [file for pattern in SESSIONS for file in sorted(root.glob(f"{pattern}/dialog/EmoEvaluation/[!.]*.txt"))]
    labels, unread = {}, []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if summary := SUMMARY.fullmatch(line):
                scales = {scale: float(summary[scale]) for scale in ("valence", "activation", "dominance")}
                labels.setdefault(summary["utterance"], {"code": summary["code"], **scales})
            elif line.startswith("["):
                unread.append(f"{file.stem}:{number}")
    return labels, {"unreadable label line": unread} if unread else {}


SPEC = CorpusSpec(
    name="iemocap",
    title="IEMOCAP",
    license="IEMOCAP: licensed by the University of Southern California for research, on request",
    markers=("Session1",),
    folders=tuple(f"{pattern}/sentences/wav/*" for pattern in SESSIONS),
    layout="Session1/ to Session5/ with dialog/EmoEvaluation/*.txt and sentences/wav/",
    # The letter after the session's number says who wore the motion-capture markers; the last token says who speaks.
    stem=re.compile(r"(?P<recording>Ses0(?P<session>[1-5]))[FM]_\w+_(?P<letter>[FM])[^_]*"),
    emotions=CLASSES | REST,
    describe=describe_utterance,
    read_labels=read_labels,
)
