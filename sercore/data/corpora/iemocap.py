"""IEMOCAP: ten actors in five sessions, labels in EmoEvaluation (Busso et al., LRE 42(4), 2008)."""

import re
from pathlib import Path

from sercore.data.corpora.files import describe_all, find_audio, wrong_folder

SESSION_FOLDERS = ("Session[1-5]", "*/Session[1-5]")
# [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5000, 2.5000, 2.5000]
SUMMARY = re.compile(
    r"\[[\d.]+\s*-\s*[\d.]+\]\s+(?P<utterance>\S+)\s+(?P<code>\S+)"
    r"\s+\[(?P<valence>[\d.]+),\s*(?P<activation>[\d.]+),\s*(?P<dominance>[\d.]+)\]\s*"
)
# The letter after the session's number tells who wore the motion-capture markers; the last token tells who speaks.
STEM = re.compile(r"(?P<recording>Ses0(?P<session>[1-5]))[FM]_\w+_(?P<letter>[FM])[^_]*")
EMOTIONS = {"ang": "anger", "hap": "happiness", "exc": "happiness", "neu": "neutral", "sad": "sadness"}
OTHER_CODES = ("dis", "fea", "fru", "oth", "sur", "xxx")
SEXES = {"F": "female", "M": "male"}


def find_utterances(root: Path) -> tuple[list[dict], dict[str, list[str]]]:
    """Finds the utterances of the four emotions, excitement counted as happiness (paper, section III-A).

    Args:
        root: the corpus folder, with Session1/ to Session5/, or the folder above it.

    Returns:
        One row per utterance, and the names left out by reason.

    Raises:
        FileNotFoundError: there is no label file where IEMOCAP has them.
    """
    sessions = _session_folders(root)
    labels, unread = _read_labels(sessions)
    if not labels:
        raise wrong_folder("iemocap", root, "Session1/ to Session5/ with dialog/EmoEvaluation/*.txt and sentences/wav/")
    audio = {name: path for session in sessions for name, path in find_audio(session, ("sentences/wav/*",)).items()}
    rows, left_out = describe_all(labels | audio, audio, lambda utterance: describe(utterance, labels.get(utterance)))
    return rows, left_out | ({"unreadable label line": unread} if unread else {})


def describe(utterance: str, label: re.Match | None) -> dict:
    """Gives an utterance's columns from its name, such as ``Ses01F_impro01_F000``, and its summary line.

    Valence, activation and dominance are the raters' means, from 1 to 5.

    Raises:
        ValueError: the reason for leaving the utterance out.
    """
    name = STEM.fullmatch(utterance)
    if not name:
        raise ValueError("not an IEMOCAP name")
    if label is None:
        raise ValueError("no label line")
    if label["code"] not in EMOTIONS:
        raise ValueError(f"label {label['code']}" if label["code"] in OTHER_CODES else f"unknown label {label['code']}")
    return {
        "speaker": name["recording"] + name["letter"],
        "sex": SEXES[name["letter"]],
        "session": int(name["session"]),
        "emotion": EMOTIONS[label["code"]],
        **{scale: float(label[scale]) for scale in ("valence", "activation", "dominance")},
    }


def _session_folders(root: Path) -> list[Path]:
    """Lists the session folders of the first layout that is there."""
    layouts = (sorted(root.glob(pattern)) for pattern in SESSION_FOLDERS)
    return next((folders for folders in layouts if folders), [])


def _read_labels(sessions: list[Path]) -> tuple[dict[str, re.Match], list[str]]:
    """Reads every utterance's summary line, and names the lines (file:number) that begin as one but cannot be read."""
    labels, unread = {}, []
    for path in (path for session in sessions for path in sorted((session / "dialog/EmoEvaluation").glob("[!.]*.txt"))):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if summary := SUMMARY.fullmatch(line):
                labels[summary["utterance"]] = summary
            elif line.startswith("["):
                unread.append(f"{path.stem}:{number}")
    return labels, unread
