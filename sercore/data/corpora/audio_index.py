"""Audio files of a corpus folder: which there are, how long each is, and why one cannot be used."""

import re
from collections.abc import Iterable
from pathlib import Path

from sercore.audio_files import read_duration

EXTENSIONS = (".wav", ".flac", ".aiff", ".aif", ".opus", ".ogg", ".mp3")  # preferred ones first: lossless


def find_audio(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Finds the one audio file of each utterance, whatever its extension and sorted by name; skips hidden files.

    Args:
        root: folder of the corpus.
        folders: patterns of the folders below it that hold audio, preferred ones first; the root itself comes last.
    """
    below = [folder for pattern in folders for folder in sorted(root.glob(pattern)) if folder.is_dir()]
    files = [file for folder in [*below, root] for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    audio = [file for file in files if file.suffix.lower() in EXTENSIONS]
    preferred_last = sorted(audio, key=lambda file: EXTENSIONS.index(file.suffix.lower()))[::-1]
    return dict(sorted({file.stem: file for file in preferred_last}.items()))


def measure_audio(path: Path | None) -> float:
    """Reads a duration in seconds; ValueError says why there is none, in the words of `name_problem`."""
    if path is None:
        raise ValueError("no audio file")
    try:
        return read_duration(path)
    except (OSError, ValueError) as error:
        raise ValueError(name_problem(path, error)) from None


def name_problem(path: str | Path, error: Exception) -> str:
    """The kind of a reader's error, such as ``unreadable: truncated``, without file and detail, so that files group."""
    return "unreadable: " + re.split(r" \(|;|\.$", str(error).removeprefix(f"{path}: "))[0]
