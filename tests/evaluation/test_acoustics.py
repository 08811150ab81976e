"""Level, pitch, its movement and duration, of tones whose values are known."""

import numpy as np
import pandas as pd
import pytest

from sercore.emotions import EMOTIONS
from sercore.evaluation.acoustics import MEASURES, acoustics, medians, voice

pytestmark = pytest.mark.filterwarnings("error")

RATE = 16_000
TIME = np.arange(RATE // 2) / RATE  # half a second
NOTHING = np.zeros(RATE // 4)
SILENCE, CLICK = np.zeros(RATE), np.full(40, 0.1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERCORE_CACHE", str(tmp_path / "cache"))


def tone(hertz: float, amplitude: float = 0.1, semitones: float = 0) -> np.ndarray:
    """A sine whose pitch moves up and down by so many semitones, six times a second."""
    moving = hertz * 2 ** (semitones / 12 * np.sin(2 * np.pi * 6 * TIME))
    return amplitude * np.sin(2 * np.pi * np.cumsum(moving) / RATE)


@pytest.mark.parametrize("hertz", [100, 220, 440])
def test_pitch_of_a_tone(hertz):
    assert voice(tone(hertz), RATE)["pitch"] == pytest.approx(hertz, rel=0.02)


@pytest.mark.parametrize("amplitude", [0.5, 0.05])
def test_level_is_the_rms_in_decibels_of_full_scale(amplitude):
    """A sine's RMS is its amplitude over the square root of 2."""
    assert voice(tone(220, amplitude), RATE)["level"] == pytest.approx(20 * np.log10(amplitude / np.sqrt(2)), abs=0.1)


def test_silent_ends_are_trimmed_before_anything_is_measured():
    """To a frame of 2048 samples at either end."""
    found, alone = voice(np.concatenate([NOTHING, tone(220), NOTHING]), RATE), voice(tone(220), RATE)
    assert found["seconds"] == pytest.approx(0.5, abs=2 * 2048 / RATE) and found["seconds"] < 1
    assert found["level"] == pytest.approx(alone["level"], abs=1.5)


def test_a_steady_tone_has_no_pitch_range_and_vibrato_has():
    steady, narrow, wide = (voice(tone(220, semitones=depth), RATE)["pitch_range"] for depth in (0, 1, 3))
    assert steady == pytest.approx(0, abs=0.05)
    assert 0.4 < narrow < wide  # a sine's deviation is its depth over the square root of 2


@pytest.mark.parametrize("waveform", [SILENCE, SILENCE[:40], SILENCE[:0]], ids=["long", "short", "empty"])
def test_silence_has_neither_level_nor_pitch(waveform):
    assert voice(waveform, RATE) == {"level": None, "pitch": None, "pitch_range": None, "seconds": len(waveform) / RATE}


@pytest.mark.parametrize("samples", [1, 40, 1024])
def test_what_is_too_short_for_a_pitch_has_a_level(samples):
    found = voice(tone(220)[5 : 5 + samples], RATE)
    assert found["pitch"] is None and found["pitch_range"] is None
    assert found["level"] < 0 and found["seconds"] == samples / RATE


def test_noise_is_not_voiced():
    assert voice(0.1 * np.random.default_rng(0).normal(size=RATE // 2), RATE)["pitch"] is None


# A corpus


class Reader:
    """Gives made-up waveforms by path and remembers which were asked for."""

    def __init__(self, waveforms: dict):
        self.waveforms, self.read = waveforms, []

    def __call__(self, path: str) -> np.ndarray:
        self.read.append(path)
        return self.waveforms[path]


def corpus(waveforms: list, name: str = "ravdess") -> tuple[pd.DataFrame, Reader]:
    """One utterance of each waveform, the emotions in turn."""
    numbers = [f"0{number}" for number in range(len(waveforms))]
    rows = pd.DataFrame({"utterance": numbers, "corpus": name, "path": numbers, "digest": numbers})
    rows["emotion"] = [EMOTIONS[row % 4] for row in range(len(rows))]
    return rows, Reader(dict(zip(numbers, waveforms)))


@pytest.fixture(scope="module")
def clicks():
    """Too short for a pitch, so measured in no time."""
    return [CLICK] * 24


def test_every_utterance_is_measured():
    table, read = corpus([tone(110), tone(220), tone(330), tone(440)])
    found = acoustics(table, read, RATE).set_index("utterance")
    assert list(found.columns) == ["corpus", "emotion", *MEASURES] and found.notna().all(axis=None)
    assert found["pitch"].loc[table["utterance"]].tolist() == pytest.approx([110, 220, 330, 440], rel=0.02)
    assert found["emotion"].loc[table["utterance"]].tolist() == list(EMOTIONS)


def test_what_has_no_pitch_is_left_out_and_counted():
    table, read = corpus([tone(110), SILENCE, CLICK, tone(440)])
    found = acoustics(table, read, RATE)
    assert found.attrs["unvoiced"] == 2 and set(found["emotion"]) == {"anger", "sadness"}


def test_a_corpus_without_any_voice_is_empty(clicks):
    table, read = corpus(clicks)
    found = acoustics(table, read, RATE)
    assert found.empty and found.attrs["unvoiced"] == 24 and medians(found).empty


def test_a_second_call_reads_no_audio(clicks):
    table, read = corpus([tone(220), *clicks[:3]])
    first = acoustics(table, read, RATE)
    assert len(read.read) == 4
    pd.testing.assert_frame_equal(acoustics(table, read, RATE), first)
    assert len(read.read) == 4


@pytest.mark.parametrize("change", [{"digest": "other"}, None], ids=["other audio", "other sample rate"])
def test_other_audio_is_measured_anew(clicks, change):
    table, read = corpus(clicks[:4])
    acoustics(table, read, RATE)
    acoustics(table.assign(**change or {}), read, RATE if change else RATE // 2)
    assert len(read.read) == 8


def test_so_many_of_each_emotion_are_measured_and_the_same_every_time(clicks, tmp_path, monkeypatch):
    table, first = corpus(clicks)
    _, again = corpus(clicks)
    acoustics(table, first, RATE, per_emotion=2)
    monkeypatch.setenv("SERCORE_CACHE", str(tmp_path / "another"))
    acoustics(table, again, RATE, per_emotion=2)
    assert first.read == again.read
    assert table.set_index("path").loc[first.read, "emotion"].value_counts().to_dict() == dict.fromkeys(EMOTIONS, 2)


def test_fewer_than_asked_for_are_all_measured(clicks):
    table, read = corpus(clicks[:7])
    acoustics(table, read, RATE, per_emotion=2)
    assert sorted(read.read) == sorted(table["path"])


def test_a_reading_that_fails_leaves_no_cache(clicks):
    table, read = corpus(clicks[:4])
    del read.waveforms["02"]
    with pytest.raises(KeyError):
        acoustics(table, read, RATE)
    read.waveforms["02"] = CLICK
    assert acoustics(table, read, RATE).attrs["unvoiced"] == 4


def test_medians_are_told_with_units_in_the_order_of_the_emotions():
    row = {"corpus": "cremad", "level": -20.04, "pitch": 180.4, "pitch_range": 2.04, "seconds": 1.256}
    rows = [row | {"emotion": emotion} for emotion in reversed(EMOTIONS)]
    rows += [row | {"corpus": "ravdess", "emotion": "sadness"}]
    told = medians(pd.DataFrame([*rows, rows[0] | {"pitch": 190.4}]))
    assert list(told.columns) == ["corpus", "emotion", "level", "pitch", "pitch range", "duration"]
    assert told["corpus"].tolist() == ["CREMA-D"] * 4 + ["RAVDESS"]
    assert told["emotion"].tolist() == [*EMOTIONS, "sadness"]
    assert told.iloc[0, 2:].tolist() == ["-20.0 dB", "180 Hz", "2.0 st", "1.26 s"]
    assert told.loc[3, "pitch"] == "185 Hz"
