"""Long notes of known emotion, put together from held-out utterances, and what the voice-note pipeline answers (section V-C)."""

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import librosa
import numpy as np
import pandas as pd
from scipy import fft

from sercore.data import SAMPLE_RATE, read_audio
from sercore.data.audio import SILENCE_PEAK, TRIM_TOP_DB
from sercore.deployment.rules import AGGREGATES, Rules
from sercore.deployment.voice_note import aggregate, analyze_voice_note
from sercore.emotions import EMOTIONS

UTTERANCES = 8  # per note: what a speaker of RAVDESS has of one emotion
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)  # of a note that is pause, by its length
# Speech to noise in dB. Room tone and noise are heard over the whole note.
FILLERS = {"silence": np.inf, "room tone": 40.0, "noise 20 dB": 20.0, "noise 10 dB": 10.0, "noise 0 dB": 0.0}
UNEVEN = (0.5, 1.5)  # least and most of a pause, relative to the mean one
ALONE = "one utterance each"  # instead of windows
WORKED_PAUSE = 3.0  # s between the emotions of the worked note
PIECES = 700  # of an envelope


def choose(table: pd.DataFrame, speakers: int | None = None, seed: int = 0) -> pd.DataFrame:
    """What notes are made of: one per speaker and emotion, of `UTTERANCES` utterances.

    Where a speaker has fewer of an emotion, they are repeated. Silent utterances are left out.

    Args:
        table: utterances with `peak`, as `load_split` and `load_target` give them.
        speakers: most of each corpus; None for all.
        seed: of the order.

    Returns:
        One row per note: note, corpus, speaker (corpus/name), truth, utterances (how many different ones), paths.
    """
    audible = table[table["peak"] >= SILENCE_PEAK]
    names = audible.groupby("corpus")["speaker"].unique()
    chosen = {corpus: sorted(own)[:speakers] for corpus, own in names.items()}
    rows = []
    for (corpus, speaker, emotion), own in audible.groupby(["corpus", "speaker", "emotion"]):
        if speaker in chosen[corpus]:
            who, paths = f"{corpus}/{speaker}", sorted(own["path"])
            order = np.resize(_generator(seed, who, emotion).permutation(len(paths)), UTTERANCES)
            row = {"note": f"{who}/{emotion}", "corpus": corpus, "speaker": who, "truth": emotion}
            rows.append(row | {"utterances": len({*order}), "paths": [paths[place] for place in order]})
    return pd.DataFrame(rows)


def spoken(path) -> np.ndarray:
    """An utterance without the silence at its ends, as recorded otherwise: float32 (samples,)."""
    return librosa.effects.trim(read_audio(path), top_db=TRIM_TOP_DB)[0]


def string(utterances: list[np.ndarray], share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Utterances with pauses between them.

    The share is one of lengths and leaves every detector out: pause is what lies between utterances that were trimmed.

    Args:
        utterances: at least two waveforms (samples,) at 16 kHz.
        share: of the whole that is pause, from 0 to below 1.
        rng: of how long each pause is against the others.

    Returns:
        The note, float32 (samples,), pauses filled with zeros; start and end of each utterance in samples (utterances, 2).
    """
    lengths = np.array([len(utterance) for utterance in utterances])
    gaps = rng.uniform(*UNEVEN, len(utterances) - 1)
    gaps = np.diff(np.rint(np.cumsum([0, *gaps / gaps.sum()]) * lengths.sum() * share / (1 - share)).astype(int))
    ends = np.cumsum(lengths) + np.cumsum([0, *gaps])
    note = np.zeros(ends[-1], np.float32)
    for utterance, end in zip(utterances, ends, strict=True):
        note[end - len(utterance) : end] = utterance
    return note, np.stack([ends - lengths, ends], axis=1)


def noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls with frequency (pink), of power 1: float32 (samples,)."""
    size = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(rng.standard_normal(size, np.float32))
    colored = fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1, dtype=np.float32)), size)[:samples]
    return colored / np.sqrt(np.mean(colored**2))


def fill(note: np.ndarray, sound: np.ndarray, power: float, snr_db: float) -> np.ndarray:
    """Adds noise of power 1 to a note, so many dB below speech of this power; infinitely many leave it as it is."""
    return note + np.float32(np.sqrt(power) * 10 ** (-snr_db / 20)) * sound


def conditions(paths: list[str], name: str, seed: int = 0):
    """One note with every share of pause and every filler: the same utterances, the same noise.

    Args:
        paths: its utterances in order.
        name: of the note; it has randomness of its own.
        seed: of pauses and noise.

    Yields:
        filler, share, waveform (samples,).
    """
    utterances = [spoken(path) for path in paths]
    power = np.mean(np.concatenate(utterances) ** 2)
    for share in SHARES:
        rng = _generator(seed, name)
        note, _ = string(utterances, share, rng)
        sound = noise(len(note), rng)
        for filler, snr_db in FILLERS.items():
            yield filler, share, fill(note, sound, power, snr_db)


def hear(notes: pd.DataFrame, classifier, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the pipeline answers to every note under every condition, with VAD and without.

    Each is heard once; its windows are then aggregated in every way.

    Args:
        notes: from `choose`.
        classifier: an `EmotionClassifier`, best of one thread: as many notes are heard side by side as there are cores.
        seed: as for `conditions`.

    Returns:
        Answers, one row per note, condition, vad and rule: note, corpus, speaker, truth, filler, share, vad, rule, predicted
        ("" where no speech was found), seconds, kept (seconds taken for speech); and windows, one row each with the same
        first seven and those of `VoiceNote.windows`.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the networks run outside Python's lock
        parts = list(pool.map(lambda row: _heard(row, classifier, seed), notes.itertuples()))
    answers, windows = zip(*parts, strict=True)
    return pd.concat(answers, ignore_index=True), pd.concat(windows, ignore_index=True)


def _heard(row, classifier, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`hear` for one note."""
    answers, windows = [], []
    own = {"note": row.note, "corpus": row.corpus, "speaker": row.speaker, "truth": row.truth}
    for filler, share, waveform in conditions(row.paths, row.note, seed):
        for vad in (False, True):
            own |= {"filler": filler, "share": share, "vad": vad}
            found = analyze_voice_note(waveform, classifier, SAMPLE_RATE, Rules(vad=vad))
            lengths = {"seconds": found.seconds, "kept": found.speech_seconds}
            answers += [own | {"rule": rule, "predicted": label(found.windows, rule)} | lengths for rule in AGGREGATES]
            windows.append(found.windows.assign(**own))
    return pd.DataFrame(answers), pd.concat(windows)


def one_by_one(notes: pd.DataFrame, classifier) -> pd.DataFrame:
    """The utterances of the notes, each heard alone and whole, as in training: what no way of cutting should fall behind.

    Returns:
        A table as the windows of `hear`, one row per utterance; vad is `ALONE`, start is the place in the note.
    """
    rows = []
    for row in notes.itertuples():
        own = {"note": row.note, "corpus": row.corpus, "speaker": row.speaker, "truth": row.truth}
        own |= {"filler": "silence", "share": 0.0, "vad": ALONE}
        for place, path in enumerate(row.paths):
            utterance = spoken(path)
            rows.append(own | {"start": place, "weight": len(utterance) / SAMPLE_RATE} | classifier.predict(utterance))
    return pd.DataFrame(rows)


def label(windows: pd.DataFrame, rule: str) -> str:
    """The emotion of a note by its windows; "" without any."""
    if windows.empty:
        return ""
    return EMOTIONS[int(np.argmax(aggregate(windows[[*EMOTIONS]].to_numpy(), windows["weight"].to_numpy(), rule)))]


def worked_note(table: pd.DataFrame, seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """One speaker, one emotion after the other, pauses and room tone between them: a note to look at and listen to.

    Args:
        table: utterances with `peak`; the first speaker who has most of the emotions is taken.
        seed: of the order and the noise.

    Returns:
        The note (samples,) at 16 kHz; when which emotion is spoken: start, end (s), emotion.
    """
    notes = choose(table, seed=seed)
    speaker = notes["speaker"].value_counts(sort=False).idxmax()
    own = notes[notes["speaker"] == speaker].set_index("truth")["paths"].reindex(EMOTIONS).dropna()
    parts = [np.concatenate([spoken(path) for path in paths]) for paths in own]
    pause = round(WORKED_PAUSE * SAMPLE_RATE) * (len(parts) - 1)
    rng = _generator(seed, speaker)
    note, spans = string(parts, pause / (pause + sum(map(len, parts))), rng)
    power = np.mean(np.concatenate(parts) ** 2)
    heard = fill(note, noise(len(note), rng), power, FILLERS["room tone"])
    return heard, pd.DataFrame(spans / SAMPLE_RATE, columns=["start", "end"]).assign(emotion=own.index)


def envelope(waveform: np.ndarray, pieces: int = PIECES) -> np.ndarray:
    """The largest absolute value in each of so many equal pieces, relative to the largest of all; (pieces,)."""
    edges = np.linspace(0, len(waveform), pieces + 1).astype(int)[:-1]
    peaks = np.maximum.reduceat(np.abs(waveform), edges)
    return peaks / max(peaks.max(), np.finfo(np.float32).tiny)


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Gives each note randomness of its own, whatever else is assembled."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])
