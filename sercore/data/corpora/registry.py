"""The corpora by name, each described by the one SPEC of its module, and the one way to read them into a table."""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pandas as pd

from sercore import paths
from sercore.data.corpora.audio_index import find_audio, measure_audio
from sercore.data.splits import assign_sessions
from sercore.demo import write_corpus
from sercore.experiment import CHOICES
from sercore.labels import EMOTIONS

COLUMNS = ("utterance", "path", "corpus", "speaker", "sex", "session", "emotion", "duration")
LeftOut = dict[str, list[str]]  # names by reason


@dataclass(frozen=True)
class CorpusSpec:
    """What is peculiar to one corpus."""

    name: str  # small letters and digits, as in the setting `primary`, in SERCORE_<NAME> and in the names of runs
    title: str  # as its authors write it
    license: str  # one line, for whoever passes on a model
    markers: tuple[str, ...]  # folders of which its official layout has at least one
    folders: tuple[str, ...]  # patterns of those that hold audio, preferred ones first; the corpus folder comes last
    layout: str  # what the folder should hold, for the error
    stem: re.Pattern  # what the names of its utterances look like
    emotions: dict[str, str]  # by code, also those that are no class here; load_corpus decides what "calm" counts as
    # From the match of a name to the columns speaker, sex, code and, where it tells them, session and intensity.
    # Raises ValueError: the reason for leaving the utterance out.
    describe: Callable[[re.Match], dict]
    # From the corpus folder to each utterance's columns that its name does not tell, and what cannot be read, by
    # reason; None where the names tell everything.
    read_labels: Callable[[Path], tuple[dict[str, dict], LeftOut]] | None = None


CORPORA: dict[str, CorpusSpec] = {}


def register_corpus(spec: CorpusSpec) -> None:
    """Adds a corpus, which from then on is loaded, trained on and shown like the others.

    Raises:
        ValueError: a name that cannot be part of an environment variable, or that is taken.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", spec.name):
        raise ValueError(f"corpus name {spec.name!r}: take small letters and digits, such as emodb.")
    if CORPORA.setdefault(spec.name, spec) is not spec:
        raise ValueError(f"corpus {spec.name!r} is there already; give the new one another name.")


def discover_corpora() -> None:
    """Registers the SPEC of every module of this folder."""
    for module in iter_modules(import_module(__package__).__path__, f"{__package__}."):
        if spec := getattr(import_module(module.name), "SPEC", None):
            register_corpus(spec)


def load_corpus(
    name: str, root: str | Path = "", calm: str = "neutral", kept: tuple[str, ...] = EMOTIONS
) -> pd.DataFrame:
    """Reads a corpus into a table, one row per utterance of the emotions of `sercore.labels`.

    Args:
        name: a key of CORPORA.
        root: folder of the corpus; "" searches the usual places, "synthetic" writes a small corpus and reads that.
        calm: "neutral" counts calm as neutral (the paper's 864 utterances of RAVDESS), "exclude" leaves it out.
        kept: the emotions that are read; others of the corpus, such as disgust, serve as speech without a label.

    Returns:
        Table sorted by utterance: utterance, path, corpus, speaker, sex, session (1 to 5), emotion, duration (seconds)
        and what else the corpus tells, such as valence; ``attrs["left_out"]`` names those left out, by reason.

    Raises:
        ValueError: unknown corpus, unknown choice for calm, no usable utterance, or fewer than five speakers.
        FileNotFoundError: no folder, or none that holds the corpus.
    """
    spec, folder = _find(name, root, calm)
    rows, left_out = _read(spec, folder, calm, kept)
    if not rows:
        reasons = "; ".join(f"{reason}: {len(names)}" for reason, names in left_out.items())
        raise ValueError(f"{name}: {folder} holds no usable utterance ({reasons}); replace the copy.")
    table = pd.DataFrame(rows).assign(corpus=name)
    if "session" not in table:
        table["session"] = assign_sessions(table)
    table = table[[*COLUMNS, *table.columns.difference(COLUMNS, sort=False)]]
    table.attrs["left_out"] = left_out
    return table


def digest_corpus(name: str, root: str | Path = "", calm: str = "neutral") -> dict:
    """What tells one copy of a corpus from another: its number of utterances, a digest of file sizes and labels.

    Arguments as of `load_corpus`. No audio is opened; {} where the corpus is not here.
    """
    try:
        spec, folder = _find(name, root, calm)
    except FileNotFoundError:
        return {}
    labels, rows = spec.read_labels(folder)[0] if spec.read_labels else None, []
    for utterance, path in find_audio(folder, spec.folders).items():
        with suppress(ValueError):  # no utterance of these emotions
            label = {} if labels is None else labels.get(utterance)
            rows.append([utterance, path.stat().st_size, _describe(spec, utterance, label, calm, EMOTIONS)])
    return {"utterances": len(rows), "digest": hashlib.sha1(json.dumps(rows).encode()).hexdigest()[:12]}


def _find(name: str, root: str | Path, calm: str) -> tuple[CorpusSpec, Path]:
    for setting, value, choices in (("corpus", name, CORPORA), ("calm", calm, CHOICES["calm"])):
        if value not in choices:
            raise ValueError(f"unknown {setting} {value!r}; choose one of {', '.join(choices)}.")
    if str(root) == "synthetic":
        root = write_corpus(name, paths.synthetic_root() / name)
    return CORPORA[name], paths.corpus_root(name, CORPORA[name].markers, str(root))


def _read(spec: CorpusSpec, folder: Path, calm: str, kept: tuple[str, ...]) -> tuple[list[dict], LeftOut]:
    """One row per utterance kept, and the names left out by reason."""
    audio = find_audio(folder, spec.folders)
    labels, left_out = spec.read_labels(folder) if spec.read_labels else ({name: {} for name in audio}, {})
    utterances = sorted(audio | labels)
    if not any(map(spec.stem.fullmatch, utterances)):
        content = "holds nothing of it" if any(folder.iterdir()) else "is empty"
        remedy = f"set SERCORE_{spec.name.upper()} to the corpus folder."
        raise FileNotFoundError(f"{spec.name}: {folder} {content}; expected {spec.layout}; {remedy}")
    rows = []
    for utterance in utterances:
        try:
            columns = _describe(spec, utterance, labels.get(utterance), calm, kept)
            path = audio.get(utterance)
            rows.append({"utterance": utterance, "path": str(path), **columns, "duration": measure_audio(path)})
        except ValueError as reason:
            left_out.setdefault(str(reason), []).append(utterance)
    return rows, left_out


def _describe(spec: CorpusSpec, utterance: str, label: dict | None, calm: str, kept: tuple[str, ...]) -> dict:
    """An utterance's own columns; ValueError says why it is left out."""
    name = spec.stem.fullmatch(utterance)
    if not name:
        raise ValueError(f"no name of {spec.title}")
    if label is None:
        raise ValueError("no label line")
    columns = spec.describe(name) | label
    code = columns.pop("code")
    if code not in spec.emotions:
        raise ValueError(f"unknown emotion code {code}")
    emotion = spec.emotions[code]
    if emotion == "calm" and calm == "neutral":
        emotion = "neutral"
    if emotion not in kept:
        raise ValueError(f"another emotion: {emotion}")
    return columns | {"emotion": emotion}


discover_corpora()
