"""Audio files of a corpus folder: which there are, how long each is, and which have to be left out."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import soundfile

# In order of preference where an utterance lies there twice: lossless first.
EXTENSIONS = (".wav", ".flac", ".aiff", ".aif", ".opus", ".ogg", ".mp3")
# A wav written to a pipe carries a placeholder near 2 or 4 GiB as its length: complete, though not as long as it says.
STREAMED_BYTES = 2**31 - 2**16
CUT_OGG = re.compile(r"end-of-stream|junk after the last page", re.IGNORECASE)  # in libsndfile's log
SHORT_DATA = re.compile(r"^data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)


def find_audio(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Finds each utterance's audio file once, whatever its extension.

    Args:
        root: folder of the corpus.
        folders: patterns of the folders below it that hold audio, the preferred ones first; the root itself comes last.

    Returns:
        Path of every utterance, in the order of their names. Hidden files (``._*``, ``.DS_Store``) are skipped.
    """
    found: dict[str, tuple[int, Path]] = {}
    below = [folder for pattern in folders for folder in sorted(root.glob(pattern)) if folder.is_dir()]
    for folder in [*below, root]:
        for name in sorted(os.listdir(folder)):
            stem, extension = os.path.splitext(name)
            if name.startswith(".") or extension.lower() not in EXTENSIONS:
                continue
            rank = EXTENSIONS.index(extension.lower())
            if stem not in found or rank < found[stem][0]:
                found[stem] = (rank, folder / name)
    return {stem: path for stem, (_, path) in sorted(found.items())}


def read_duration(path: Path) -> float:
    """Reads the duration of an audio file from its header.

    Returns:
        Duration in seconds.

    Raises:
        ValueError: the header cannot be read, the file is cut short, or there is no audio in it.
    """
    try:
        header = soundfile.info(path, verbose=True)
    except soundfile.LibsndfileError as error:
        why = "empty file" if path.is_file() and not path.stat().st_size else error.error_string.rstrip(".")
        raise ValueError(f"unreadable: {why}") from error
    if _truncated(header.extra_info):
        raise ValueError("unreadable: truncated file")
    if not header.frames:
        raise ValueError("unreadable: no audio after the header")
    return header.frames / header.samplerate


def _truncated(log: str) -> bool:
    """Tells from libsndfile's log of a wav or ogg header whether the file ends too early."""
    short = SHORT_DATA.search(log)
    return bool(CUT_OGG.search(log) or (short and int(short[2]) < int(short[1]) < STREAMED_BYTES))


def describe_all(
    utterances: Iterable[str], audio: dict[str, Path], describe: Callable[[str], dict]
) -> tuple[list[dict], dict[str, list[str]]]:
    """Describes every utterance, or notes why it is left out.

    Args:
        utterances: names of the utterances.
        audio: path of each utterance that has audio.
        describe: gives an utterance's columns, or raises ValueError with the reason for leaving it out.

    Returns:
        One row per utterance kept, in the order of their names, and the names left out by reason.
    """
    rows: list[dict] = []
    left_out: dict[str, list[str]] = {}
    for utterance in sorted(utterances):
        try:
            columns = describe(utterance)
            if utterance not in audio:
                raise ValueError("no audio file")
            path = audio[utterance]
            rows.append({"utterance": utterance, "path": str(path), **columns, "duration": read_duration(path)})
        except ValueError as reason:
            left_out.setdefault(str(reason), []).append(utterance)
    return rows, left_out


def wrong_folder(corpus: str, root: Path, expected: str) -> FileNotFoundError:
    """Words the error for a folder in which nothing of the corpus lies."""
    content = "holds nothing of it" if any(root.iterdir()) else "is empty"
    return FileNotFoundError(
        f"{corpus}: {root} {content}; expected {expected}; set SERCORE_{corpus.upper()} to the corpus folder"
    )
