"""Long notes of known emotion, put together from utterances with pauses and noise: what voice notes are tested on."""

from collections.abc import Sequence

import librosa
import numpy as np
import pandas as pd
from scipy import fft

from sercore.audio_files import read_audio
from sercore.data.preprocessing import SILENCE_PEAK, TRIM_TOP_DB

UNEVEN = (0.5, 1.5)  # least and most of a pause, relative to the mean one


def choose_notes(table: pd.DataFrame, utterances: int, seed: int = 0, speakers: int | None = None) -> pd.DataFrame:
    """What notes are made of, one per speaker and emotion; silent utterances are left out.

    Args:
        table: utterances with peak, from `load_split` and `load_target`.
        utterances: in a note; where a speaker has fewer of an emotion, they are repeated.
        seed: of their order.
        speakers: most of each corpus; None for all.

    Returns:
        A row per note: note (its name), corpus, speaker (corpus/name), y_true, distinct (different utterances), paths.
    """
    audible = table[table["peak"] >= SILENCE_PEAK].sort_values("path").sample(frac=1, random_state=seed)
    notes = audible.groupby(["corpus", "speaker", "emotion"])["path"].agg(list).rename("paths").reset_index()
    notes = notes[notes.groupby("corpus")["speaker"].transform(lambda names: names.isin(names.unique()[:speakers]))]
    notes = notes.rename(columns={"emotion": "y_true"}).assign(speaker=notes["corpus"] + "/" + notes["speaker"])
    distinct = notes["paths"].map(len).clip(upper=utterances)
    paths = [list(np.resize(own, utterances)) for own in notes["paths"]]
    return notes.assign(note=notes["speaker"] + "/" + notes["y_true"], distinct=distinct, paths=paths)


def trim_utterance(path: str) -> np.ndarray:
    """An utterance without the silence at its ends, as recorded otherwise: float32 (samples,) at 16 kHz."""
    return librosa.effects.trim(read_audio(path), top_db=TRIM_TOP_DB)[0]


def assemble_note(
    utterances: Sequence[np.ndarray], share: float, noise_db: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Utterances with uneven pauses between them and pink noise over the whole.

    Args:
        utterances: at least two waveforms (samples,), trimmed.
        share: of the note that is pause, by length, so that no detector has a say in it; from 0 to below 1.
        noise_db: power of the noise against that of the utterances; -inf is digital silence.
        rng: of the pauses and the noise.

    Returns:
        The note, float32 (samples,); start and end of each utterance in samples (utterances, 2).
    """
    lengths = np.array([len(utterance) for utterance in utterances])
    parts = np.cumsum(rng.uniform(*UNEVEN, len(lengths) - 1))
    pauses = np.rint(parts / parts[-1] * lengths.sum() * share / (1 - share)).astype(int)  # before each but the first
    ends = np.cumsum(lengths) + np.r_[0, pauses]
    note = _make_pink_noise(ends[-1], rng)
    note *= 10 ** (noise_db / 20) * np.sqrt(np.mean(np.concatenate(utterances) ** 2))
    for utterance, end in zip(utterances, ends, strict=True):
        note[end - len(utterance) : end] += utterance
    return note, np.stack([ends - lengths, ends], axis=1)


def _make_pink_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of power 1 whose power falls with frequency, as that of rooms does: float32 (samples,)."""
    size = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(rng.standard_normal(size, np.float32))
    noise = fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1, dtype=np.float32)), size)[:samples]
    return noise / np.sqrt(np.mean(noise**2))
