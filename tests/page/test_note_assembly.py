"""Notes of known emotion: what is in them, how much is pause, how loud the noise is."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore.audio_files import SAMPLE_RATE
from sercore.labels import EMOTIONS
from sercore.page.note_assembly import UNEVEN, assemble_note, choose_notes, trim_utterance

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)


@pytest.fixture
def table():
    """Three speakers, two utterances of each emotion."""
    rows = [
        {"corpus": corpus, "speaker": speaker, "emotion": emotion, "path": f"{corpus}-{speaker}-{emotion}-{number}"}
        for corpus, speaker in (("one", "a"), ("one", "b"), ("other", "a"))
        for emotion in EMOTIONS
        for number in range(2)
    ]
    return pd.DataFrame(rows).assign(peak=0.5)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tones(*lengths: int) -> list[np.ndarray]:
    return [np.full(length, 0.1 * number, np.float32) for number, length in enumerate(lengths, 1)]


def test_a_note_has_one_speaker_and_one_emotion(table):
    notes = choose_notes(table, 8)
    assert len(notes) == 3 * len(EMOTIONS) and notes["note"].is_unique
    for row in notes.itertuples():
        assert all(path.startswith(f"{row.speaker.replace('/', '-')}-{row.y_true}") for path in row.paths)


def test_too_few_utterances_are_repeated_evenly(table):
    for row in choose_notes(table, 8).itertuples():
        assert row.distinct == 2 and {row.paths.count(path) for path in row.paths} == {4}


def test_speakers_are_limited_by_corpus(table):
    assert set(choose_notes(table, 8, speakers=1)["speaker"]) == {"one/a", "other/a"}


def test_a_silent_utterance_is_in_no_note(table):
    silent = table["path"][0]
    notes = choose_notes(table.assign(peak=table["peak"].where(table["path"] != silent, 0)), 8)
    assert not any(silent in paths for paths in notes["paths"]) and notes["distinct"].min() == 1


def test_the_order_follows_the_seed_and_not_the_table(table):
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(choose_notes(table, 8, seed=1), choose_notes(shuffled, 8, seed=1))
    assert list(choose_notes(table, 8, seed=1)["paths"]) != list(choose_notes(table, 8, seed=2)["paths"])


def test_silence_at_the_ends_is_trimmed(tmp_path):
    """The trim is as fine as its frames of 512 samples."""
    spoken = 0.3 * np.sin(np.arange(SAMPLE_RATE // 2))
    soundfile.write(tmp_path / "utterance.wav", np.pad(spoken, SAMPLE_RATE), SAMPLE_RATE)
    assert len(trim_utterance(tmp_path / "utterance.wav")) / SAMPLE_RATE == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("share", SHARES)
def test_the_share_of_pause_is_as_asked_and_utterances_stay_whole(share, rng):
    utterances = tones(8000, 12000, 4000)
    note, spans = assemble_note(utterances, share, -np.inf, rng)
    assert 1 - 24000 / len(note) == pytest.approx(share, abs=1e-4) and np.count_nonzero(note) == 24000
    assert spans[0, 0] == 0 and spans[-1, 1] == len(note)
    for utterance, (start, end) in zip(utterances, spans, strict=True):
        np.testing.assert_array_equal(note[start:end], utterance)


def test_pauses_are_uneven_within_bounds(rng):
    _, spans = assemble_note(tones(*[8000] * 8), 0.8, -np.inf, rng)
    gaps = spans[1:, 0] - spans[:-1, 1]
    assert len(set(gaps)) > 1 and gaps.max() / gaps.min() <= UNEVEN[1] / UNEVEN[0]


@pytest.mark.parametrize("noise_db", [-40, -20, -10, 0])
def test_noise_is_pink_and_so_many_decibels_beside_the_speech(noise_db, rng):
    """Pink: every octave holds the same power."""
    speech = [rng.normal(0, 0.1, 2**16).astype(np.float32) for _ in range(2)]
    clean, _ = assemble_note(speech, 0.5, -np.inf, np.random.default_rng(1))
    noise = assemble_note(speech, 0.5, noise_db, np.random.default_rng(1))[0] - clean
    power = np.mean(np.concatenate(speech) ** 2)
    assert 10 * np.log10(np.mean(noise**2) / power) == pytest.approx(noise_db, abs=0.01)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [spectrum[2**k : 2 ** (k + 1)].sum() for k in range(9, 16)]
    assert max(octaves) / min(octaves) < 1.3
