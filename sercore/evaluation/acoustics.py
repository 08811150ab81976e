"""How a corpus sounds, in numbers that need no model: level, pitch, its movement, duration."""

import hashlib
from collections.abc import Callable

import librosa
import numpy as np
import pandas as pd

from sercore import paths
from sercore.emotions import EMOTIONS
from sercore.evaluation.tables import TITLES

PER_EMOTION = 50  # utterances measured of each emotion of a corpus
TRIM_TOP_DB = 20  # as in section III-B
PITCH = {"fmin": 65, "fmax": 600, "frame_length": 1024, "hop_length": 512, "resolution": 0.2}  # Hz, samples, semitones
MEASURES = ["level", "pitch", "pitch_range", "seconds"]


def acoustics(table: pd.DataFrame, read: Callable, sample_rate: int, per_emotion: int = PER_EMOTION) -> pd.DataFrame:
    """Measures a fixed sample of a corpus; kept in the cache, because the pitch takes a while.

    Args:
        table: one corpus, from `with_audio`.
        read: gives the waveform (samples,) of a path, mono at `sample_rate`.
        sample_rate: samples per second.
        per_emotion: utterances of each emotion; the same ones every time.

    Returns:
        One row per measured utterance: utterance, corpus, emotion and the measures of `voice`; an utterance without
        any voiced frame has no pitch and is left out, counted in `attrs["unvoiced"]`.
    """
    chosen = pd.concat([own.sample(min(per_emotion, len(own)), random_state=0) for _, own in table.groupby("emotion")])
    told = repr((PITCH, TRIM_TOP_DB, sample_rate, sorted(chosen["digest"])))
    file = paths.cache_root() / f"acoustics-{hashlib.sha1(told.encode()).hexdigest()[:12]}.csv"
    if not file.is_file():
        rows = [{"utterance": row.utterance} | voice(read(row.path), sample_rate) for row in chosen.itertuples()]
        file.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(part := file.with_suffix(".part"), index=False)
        part.replace(file)
    measured = chosen[["utterance", "corpus", "emotion"]].merge(pd.read_csv(file, dtype={"utterance": str}), on="utterance")
    voiced = measured.dropna()
    voiced.attrs["unvoiced"] = len(measured) - len(voiced)
    return voiced


def voice(waveform: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Level, pitch and duration of an utterance, its silent ends trimmed.

    Args:
        waveform: float (samples,), as recorded.
        sample_rate: samples per second.

    Returns:
        level (RMS in dB of full scale), pitch (median F0 in Hz), pitch_range (standard deviation of F0 in semitones)
        and seconds; the pitch of an utterance without voiced frames is None. F0 by pYIN (Mauch and Dixon 2014).
    """
    trimmed, _ = librosa.effects.trim(waveform, top_db=TRIM_TOP_DB)
    power = float(np.mean(np.square(trimmed, dtype=float))) if len(trimmed) else 0.0
    found = {"level": 10 * np.log10(power) if power else None, "pitch": None, "pitch_range": None}
    if power and len(trimmed) > PITCH["frame_length"]:
        frequency, voiced, _ = librosa.pyin(trimmed, sr=sample_rate, **PITCH)
        if voiced.any():
            found["pitch"] = float(np.median(frequency[voiced]))
            found["pitch_range"] = float(np.std(12 * np.log2(frequency[voiced])))
    return found | {"seconds": len(trimmed) / sample_rate}


def medians(measured: pd.DataFrame) -> pd.DataFrame:
    """Median of each measure by corpus and emotion, as text."""
    table = measured.groupby(["corpus", "emotion"])[MEASURES].median()
    order = [(corpus, emotion) for corpus in measured["corpus"].unique() for emotion in EMOTIONS]
    formats = {"level": "{:.1f} dB", "pitch": "{:.0f} Hz", "pitch_range": "{:.1f} st", "seconds": "{:.2f} s"}
    told = pd.DataFrame({name: table[name].map(form.format) for name, form in formats.items()})
    told = told.reindex([key for key in order if key in told.index]).rename(index=TITLES, level="corpus").reset_index()
    return told.rename(columns={"pitch_range": "pitch range", "seconds": "duration"})
