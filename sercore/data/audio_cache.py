"""The preprocessed audio of a corpus, decoded once and mapped into memory ever after."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import datasets
import numpy as np
import pandas as pd

from sercore import audio_files, paths
from sercore.data import preprocessing
from sercore.data.corpora.audio_index import name_problem

SOURCE = Path(__file__).read_text(encoding="utf-8")  # as loaded; a part of the key
TEXT, NUMBER, AUDIO = datasets.Value("string"), datasets.Value("float64"), datasets.List(datasets.Value("float32"))
COLUMNS = datasets.Features(utterance=TEXT, waveform=AUDIO, seconds=NUMBER, peak=NUMBER, digest=TEXT, problem=TEXT)


def cache_audio(table: pd.DataFrame, workers: int | None = None) -> tuple[pd.DataFrame, datasets.Dataset]:
    """Reads and preprocesses every utterance of one corpus, once; later calls map the cache into memory.

    Args:
        table: from `load_corpus`.
        workers: processes that decode; None for one per core.

    Returns:
        The table without the utterances whose audio cannot be used (named in `attrs["left_out"]`), with `seconds`
        (after trimming), `peak` (of full scale, as recorded) and `digest` (of the samples, "" when silent); and the
        audio in the same order: `utterance` and `waveform` (samples,) at 16 kHz.

    Raises:
        OSError: the cache cannot be written; nothing is left half-written.
    """
    folder = paths.cache_root() / f"{table['corpus'].iloc[0]}-{_fingerprint(table)}"
    if not folder.is_dir():
        _write_cache(table, folder, workers or os.cpu_count())
    parts = [datasets.Dataset.from_file(str(part)) for part in sorted(folder.glob("*.arrow"))]
    audio = datasets.concatenate_datasets(parts)
    found = table.reset_index(drop=True).join(audio.remove_columns(["utterance", "waveform"]).to_pandas())
    usable = found["problem"] == ""
    left_out = dict(table.attrs.get("left_out", {}))
    for problem, names in found[~usable].groupby("problem")["utterance"]:
        left_out[problem] = [*left_out.get(problem, ()), *names]
    audio = audio.select_columns(["utterance", "waveform"]).with_format("numpy").select(np.flatnonzero(usable))
    found = found[usable].drop(columns="problem").reset_index(drop=True)
    found.attrs["left_out"] = left_out
    return found, audio


def find_suspicious(table: pd.DataFrame) -> pd.DataFrame:
    """Silent utterances and identical audio under two labels, with columns utterance, emotion, problem.

    Args:
        table: from `cache_audio`.
    """
    silent = table["digest"] == ""
    twins = table.groupby("digest")["emotion"].transform("nunique") > 1
    problem = np.select([silent, twins], ["silent", "identical audio with another label"], default="")
    return table.assign(problem=problem).loc[silent | twins, ["utterance", "emotion", "problem"]].reset_index(drop=True)


def _fingerprint(table: pd.DataFrame) -> str:
    """Changes with any file of the table and with any line of the code that a recording goes through."""
    code = [audio_files.SOURCE, preprocessing.SOURCE, SOURCE]
    files = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in table["path"]]
    return hashlib.sha1(json.dumps([code, files]).encode()).hexdigest()[:12]


def _write_cache(table: pd.DataFrame, folder: Path, workers: int) -> None:
    """Writes beside the folder and renames, so that the cache is whole or absent, whoever else writes it."""
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        datasets.Dataset.from_pandas(table[["utterance", "path"]], preserve_index=False).map(
            _prepare,
            remove_columns=["path"],
            features=COLUMNS,
            num_proc=min(workers, len(table)),
            cache_file_name=str(part / "audio.arrow"),
            writer_batch_size=200,
            desc=f"{table['corpus'].iloc[0]}: decode and preprocess",
        )
        part.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process was first, and its cache is as good
            raise OSError(f"cannot write the audio cache {folder}: {error}; free space or set SERCORE_CACHE.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _prepare(row: dict) -> dict:
    try:
        recorded = audio_files.read_audio(row["path"])
    except Exception as error:  # whatever a file does to its decoder, the corpus goes on without it
        problem = name_problem(row["path"], error)
        return {"waveform": np.zeros(0, np.float32), "seconds": 0.0, "peak": 0.0, "digest": "", "problem": problem}
    waveform, peak = preprocessing.preprocess(recorded), float(np.abs(recorded).max())
    seconds = len(waveform) / audio_files.SAMPLE_RATE
    digest = hashlib.sha1(waveform.tobytes()).hexdigest() if peak >= preprocessing.SILENCE_PEAK else ""
    return {"waveform": waveform, "seconds": seconds, "peak": peak, "digest": digest, "problem": ""}
