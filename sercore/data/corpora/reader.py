"""One table per corpus, whatever its layout on disk."""

from functools import partial
from pathlib import Path

import pandas as pd

from sercore import paths
from sercore.data.corpora import cremad, iemocap, ravdess
from sercore.data.corpora.sessions import assign_sessions
from sercore.data.corpora.synthetic import write_synthetic

CORPORA = ("iemocap", "cremad", "ravdess")
CALM = ("neutral", "exclude")
COLUMNS = ("utterance", "path", "corpus", "speaker", "sex", "session", "emotion", "duration")


def load_corpus(name: str, root: str | Path = "", calm: str = "neutral") -> pd.DataFrame:
    """Reads a corpus into a table, one row per utterance of the four emotions.

    Args:
        name: one of CORPORA.
        root: folder of the corpus; "" searches the usual places, "synthetic" writes a small corpus and reads that.
        calm: "neutral" counts RAVDESS's calm as neutral (the paper's 864 utterances), "exclude" leaves it out.

    Returns:
        Table sorted by utterance, with columns utterance, path, corpus, speaker, sex, session (1 to 5), emotion and
        duration (seconds); valence, activation and dominance (1 to 5) for IEMOCAP, intensity for the others.
        ``attrs["left_out"]`` maps each reason to the names of the utterances left out for it.

    Raises:
        ValueError: unknown corpus, unknown choice for calm, no usable utterance, or fewer than five speakers.
        FileNotFoundError: no folder, or none that holds the corpus.
    """
    if name not in CORPORA:
        raise ValueError(f"unknown corpus {name!r}; choose one of {', '.join(CORPORA)}")
    if calm not in CALM:
        raise ValueError(f"unknown calm {calm!r}; choose one of {', '.join(CALM)}")
    folder = _folder(name, root)
    rows, left_out = _reader(name, calm)(folder)
    if not rows:
        reasons = "; ".join(f"{reason}: {len(names)}" for reason, names in left_out.items())
        raise ValueError(f"{name}: {folder} holds no usable utterance ({reasons}); replace the copy")
    return _table(name, rows, left_out)


def _folder(name: str, root: str | Path) -> Path:
    """Finds the corpus folder, writing the synthetic corpus on first use."""
    if str(root) != "synthetic":
        return paths.corpus_root(name, str(root))
    return write_synthetic(name, paths.synthetic_root() / name)


def _reader(name: str, calm: str):
    """Picks the corpus's own reader."""
    return {
        "iemocap": iemocap.find_utterances,
        "cremad": cremad.find_utterances,
        "ravdess": partial(ravdess.find_utterances, calm=calm),
    }[name]


def _table(name: str, rows: list[dict], left_out: dict[str, list[str]]) -> pd.DataFrame:
    """Builds the table, with sessions where the corpus has none."""
    table = pd.DataFrame(rows).assign(corpus=name)
    if "session" not in table:
        table["session"] = assign_sessions(table)
    table = table[[*COLUMNS, *table.columns.difference(COLUMNS, sort=False)]]
    table.attrs["left_out"] = left_out
    return table
