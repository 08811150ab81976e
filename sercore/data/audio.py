"""From a file to the waveform the model sees: the paper's chain (section III-B), done once and cached."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import datasets
import librosa
import numpy as np
import pandas as pd
import soundfile

from sercore import paths
from sercore.headers import promised_frames

SAMPLE_RATE = 16_000  # Hz
TRIM_TOP_DB = 20.0  # dB below the peak under which leading and trailing audio is removed
PRE_EMPHASIS = 0.97  # coefficient a of H(z) = 1 - a z^-1
PEAK = 0.95  # of full scale, after normalisation
MAX_SECONDS = 8.0  # longest input of the model
SILENCE_PEAK = 1e-3  # of full scale (-60 dB); below it there is nothing to normalise

COLUMNS = datasets.Features(
    {
        "utterance": datasets.Value("string"),
        "waveform": datasets.List(datasets.Value("float32")),
        "peak": datasets.Value("float32"),
        "digest": datasets.Value("string"),
        "problem": datasets.Value("string"),
    }
)


def read_audio(path: str | Path) -> np.ndarray:
    """Decodes a file of any rate and channel count to 16 kHz mono.

    Returns:
        float32 array (samples,).

    Raises:
        ValueError: the file cannot be decoded, is empty, shorter than its header says, or not finite.
    """
    try:
        info = soundfile.info(path)
        waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: cannot be decoded ({error.error_string})") from None
    if not len(waveform):
        raise ValueError(f"{path}: holds no audio")
    if len(waveform) < promised_frames(info):
        raise ValueError(f"{path}: truncated, {len(waveform)} of {promised_frames(info)} samples are there")
    if not np.isfinite(waveform).all():
        raise ValueError(f"{path}: holds values that are not finite")
    mono = waveform.mean(axis=1)
    return mono if rate == SAMPLE_RATE else librosa.resample(mono, orig_sr=rate, target_sr=SAMPLE_RATE)


def preprocess(waveform: np.ndarray) -> np.ndarray:
    """Trims, pre-emphasises and peak-normalises, in the paper's order (section III-B).

    Silence stays silent: below `SILENCE_PEAK` it is not amplified.

    Args:
        waveform: float array (samples,) at 16 kHz.

    Returns:
        float32 array (samples after trimming,) whose largest absolute value is `PEAK`.
    """
    trimmed, _ = librosa.effects.trim(waveform, top_db=TRIM_TOP_DB)
    emphasised = np.append(trimmed[:1], trimmed[1:] - PRE_EMPHASIS * trimmed[:-1])
    peak = np.abs(emphasised).max()
    gain = PEAK / peak if np.abs(waveform).max() >= SILENCE_PEAK and peak > 0 else 1.0
    return (gain * emphasised).astype(np.float32)


def with_audio(table: pd.DataFrame, workers: int | None = None) -> tuple[pd.DataFrame, datasets.Dataset]:
    """Reads and preprocesses every utterance of one corpus, once; later calls map the cache into memory.

    Args:
        table: from `load_corpus`.
        workers: processes that decode; None for one per core.

    Returns:
        The table without the utterances whose audio cannot be used (named in `attrs["left_out"]`), with
        `seconds` (after trimming), `peak` (of full scale, as recorded) and `digest` (of the samples, "" when
        silent); and the audio in the same order: `utterance` and `waveform` (samples,) at 16 kHz.

    Raises:
        OSError: the cache cannot be written; nothing is left half-written.
    """
    folder = paths.cache_root() / f"{table['corpus'].iloc[0]}-{_fingerprint(table)}"
    if not folder.is_dir():
        _write_cache(table, folder, workers or os.cpu_count())
    audio = datasets.concatenate_datasets([datasets.Dataset.from_file(str(part)) for part in sorted(folder.glob("*.arrow"))])
    facts = audio.select_columns(["peak", "digest", "problem"]).to_pandas()
    usable = (facts["problem"] == "").to_numpy()
    heard = table.assign(seconds=_seconds(audio), peak=facts["peak"].to_numpy(), digest=facts["digest"].to_numpy())
    heard.attrs = {"left_out": dict(table.attrs.get("left_out", {}))}
    for utterance, problem in zip(table["utterance"][~usable], facts["problem"][~usable], strict=True):
        heard.attrs["left_out"].setdefault(f"unreadable: {problem}", []).append(utterance)
    audio = audio.select_columns(["utterance", "waveform"]).with_format("numpy")
    return heard[usable].reset_index(drop=True), audio.select(np.flatnonzero(usable))


def suspicious(table: pd.DataFrame) -> pd.DataFrame:
    """Utterances that can be read but not believed: silence, and identical audio under two labels.

    Args:
        table: from `with_audio`.

    Returns:
        Columns utterance, emotion, problem.
    """
    silent = table[table["peak"] < SILENCE_PEAK].assign(problem="silent")
    heard = table[table["digest"] != ""]
    labels = heard.groupby("digest")["emotion"].transform("nunique")
    twins = heard[labels > 1].assign(problem="identical audio with another label")
    return pd.concat([silent, twins])[["utterance", "emotion", "problem"]].reset_index(drop=True)


def _fingerprint(table: pd.DataFrame) -> str:
    """Changes with any file of the table and with any constant of the chain."""
    stats = [os.stat(path) for path in table["path"]]
    files = [[path, stat.st_size, stat.st_mtime_ns] for path, stat in zip(table["path"], stats, strict=True)]
    constants = [SAMPLE_RATE, TRIM_TOP_DB, PRE_EMPHASIS, PEAK, SILENCE_PEAK]
    return hashlib.sha1(json.dumps([constants, files]).encode()).hexdigest()[:12]


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
        recorded = read_audio(row["path"])
    except ValueError as error:
        problem = str(error).replace(row["path"], Path(row["path"]).name)
        return {"waveform": np.zeros(0, np.float32), "peak": 0.0, "digest": "", "problem": problem}
    waveform, peak = preprocess(recorded), float(np.abs(recorded).max())
    digest = hashlib.sha1(waveform.tobytes()).hexdigest() if peak >= SILENCE_PEAK else ""
    return {"waveform": waveform, "peak": peak, "digest": digest, "problem": ""}


def _seconds(audio: datasets.Dataset) -> np.ndarray:
    """Lengths read off the Arrow lists' offsets, without touching the samples."""
    return audio.data["waveform"].combine_chunks().value_lengths().to_numpy() / SAMPLE_RATE
