"""A voice note: what is spoken where, what it comes to, for audio of any length in any chunks."""

import json
import tracemalloc
from itertools import repeat

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore.audio_files import read_audio
from sercore.runtime import VoiceNoteSettings, VoiceNoteStream, aggregate_windows, analyze_voice_note
from sercore.runtime.vad import FRAME, UNDECIDED
from sercore.runtime.voice_note import measure_certainty

RATE = 16_000  # Hz
ALL = VoiceNoteSettings(vad=False)
ALL_RULES = VoiceNoteSettings()
BARE = {"pad": 0.0, "min_speech": 0.0}  # so that segments are where the marks are


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Of changing loudness, so that the predictions for its windows differ."""
    samples = round(seconds * RATE)
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0.01, 0.3, samples // 4000 + 1), 4000)[:samples]
    return (loudness * rng.standard_normal(samples).cumsum() / 40).clip(-1, 1).astype(np.float32)


def mark(frames: int, *speech: tuple[int, int]) -> np.ndarray:
    """Audio of so many frames of 32 ms, with speech from frame to frame as `marks` finds it."""
    audio = noise(frames * FRAME / RATE)
    audio[::FRAME] = 0
    for first, last in speech:
        audio[first * FRAME : last * FRAME : FRAME] = 0.9
    return audio


def split(audio: np.ndarray, size: int):
    return (audio[start : start + size] for start in range(0, len(audio), size))


def places(note) -> list[tuple[float, float]]:
    """Start and end of the windows, in seconds."""
    return [(window["start"], window["end"]) for window in note.windows]


def frames(spans) -> list[tuple[float, float]]:
    return [tuple(span) for span in (np.array(spans) * RATE / FRAME).round(6).tolist()]


@pytest.fixture(scope="module")
def note(classifier, spoken):
    return analyze_voice_note(spoken, classifier)


@pytest.fixture(scope="module", params=["spoken", "really_spoken"])
def recording(request) -> np.ndarray:
    return request.getfixturevalue(request.param)


def test_speech_is_found(note, spoken):
    """Voices speak for 18.5 s, with two pauses of more than a second between them."""
    assert note.seconds == len(spoken) / RATE
    assert 15 < note.speech_seconds < 19.5
    assert len(note.windows) >= 4
    assert note.label == max(note.probabilities, key=note.probabilities.get)


OTHERS = {"window": 1.5, "overlap": 0.5}, {"max_pause": 0.2}, {"max_pause": 60, "aggregate": "median"}, {"vad": False}


@pytest.mark.parametrize("values", [{}, *OTHERS])
def test_properties_of_every_note(classifier, recording, values):
    settings = VoiceNoteSettings(**values)
    note = analyze_voice_note(recording, classifier, settings=settings)
    windows = pd.DataFrame(note.windows)
    assert windows["weight"].sum() == pytest.approx(note.speech_seconds)
    assert (windows["end"] - windows["start"]).max() <= settings.window + 1e-9
    assert windows["start"].is_monotonic_increasing
    assert windows["speech"].between(0, 1).all()
    assert note.segments.max() <= note.seconds
    np.testing.assert_allclose(windows[list(classifier.labels)].sum(axis=1), 1, atol=1e-5)
    assert sum(note.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert 0 <= note.certainty <= 1
    assert 0 < note.agreement <= 1


@pytest.mark.parametrize("size", [1, 160, 512, 7919])
def test_chunks_do_not_change_the_note(classifier, recording, size):
    audio = recording[: 6 * RATE] if size == 1 else recording
    chunked, whole = (analyze_voice_note(given, classifier) for given in (split(audio, size), audio))
    assert chunked.as_dict() == whole.as_dict()


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_chunks_of_another_rate_do_not_change_the_note(classifier, spoken, rate):
    expected = analyze_voice_note(spoken, classifier, sample_rate=rate)
    assert expected.seconds == pytest.approx(len(spoken) / rate, abs=1 / RATE)
    assert analyze_voice_note(split(spoken, 333), classifier, sample_rate=rate).as_dict() == expected.as_dict()


def test_file_waveform_and_integers_give_the_same_note(classifier, spoken, tmp_path):
    integers = (spoken * 32767).round().astype(np.int16)
    soundfile.write(tmp_path / "note.wav", np.stack([integers, integers], axis=1), RATE)
    soundfile.write(tmp_path / "note.flac", integers, RATE)
    expected = analyze_voice_note(integers, classifier).as_dict()
    waveforms = integers / 2**15, integers.astype(np.int32) * 2**16
    for audio in (tmp_path / "note.wav", str(tmp_path / "note.flac"), *waveforms):
        assert analyze_voice_note(audio, classifier).as_dict() == expected


def test_windows_are_classified_as_they_are_in_the_recording(classifier, spoken, note):
    for window in note.windows:
        audio = spoken[round(window["start"] * RATE) : round(window["end"] * RATE)]
        assert {label: window[label] for label in classifier.labels} == classifier.predict(audio)


@pytest.mark.parametrize(
    ("seconds", "values", "expected"),
    [
        (20, {}, [(0, 8), (8, 16), (12, 20)]),
        (16, {}, [(0, 8), (8, 16)]),
        (3, {}, [(0, 3)]),
        (20, {"overlap": 4}, [(0, 8), (4, 12), (8, 16), (12, 20)]),
        (9, {"overlap": 2}, [(0, 8), (1, 9)]),
        (5, {"window": 2}, [(0, 2), (2, 4), (3, 5)]),
    ],
)
def test_windows_without_detection(classifier, seconds, values, expected):
    note = analyze_voice_note(noise(seconds), classifier, settings=VoiceNoteSettings(vad=False, **values))
    assert places(note) == expected
    assert sum(window["weight"] for window in note.windows) == pytest.approx(seconds)
    assert note.segments.tolist() == [[0, seconds]]


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        ([(10, 50), (80, 100)], [(10, 100)]),  # 30 frames are 0.96 s
        ([(10, 50), (81, 100)], [(10, 50), (81, 100)]),
        ([(10, 270)], [(10, 260), (20, 270)]),  # 8 s are 250 frames
        ([(10, 150), (170, 300), (400, 420)], [(10, 260), (50, 300), (400, 420)]),
    ],
)
def test_short_pauses_stay_in_a_passage_and_long_ones_end_it(classifier, marks, speech, expected):
    settings = VoiceNoteSettings(**BARE, max_pause=0.96)
    note = analyze_voice_note(mark(450, *speech), classifier, settings=settings)
    assert frames(places(note)) == expected
    assert frames(note.segments) == speech


def test_speech_and_weight_by_hand(classifier, marks):
    """Frames 10..260 and 50..300 are windows; speech is 140 + 90 of the first's 250, and 40 new in the second."""
    note = analyze_voice_note(mark(450, (10, 150), (170, 300)), classifier, settings=VoiceNoteSettings(**BARE))
    assert [window["speech"] for window in note.windows] == pytest.approx([230 / 250, 230 / 250])
    assert [window["weight"] for window in note.windows] == pytest.approx([230 * 0.032, 40 * 0.032])


PROBABILITIES = np.array([[0.8, 0.2, 0.0], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])


@pytest.mark.parametrize(
    ("how", "probabilities", "expected"),
    [
        ("weighted", PROBABILITIES, [1.9 / 4, 1.4 / 4, 0.7 / 4]),
        ("mean", PROBABILITIES, [1.1 / 3, 1.2 / 3, 0.7 / 3]),
        ("median", PROBABILITIES, [0.2 / 0.6, 0.3 / 0.6, 0.1 / 0.6]),
        ("median", np.eye(3), [1 / 3] * 3),  # medians of 0 say nothing; the mean does
    ],
)
def test_aggregates_by_hand(how, probabilities, expected):
    np.testing.assert_allclose(aggregate_windows(probabilities, np.array([2.0, 1.0, 1.0]), how), expected)


@pytest.mark.parametrize(("probabilities", "expected"), [([0.25] * 4, 0), ([0, 1, 0, 0], 1), ([0.5, 0, 0.5, 0], 0.5)])
def test_certainty_by_hand(probabilities, expected):
    """Two equal of four labels: 1 - log 2 / log 4."""
    assert measure_certainty(np.array(probabilities)) == pytest.approx(expected)


def test_agreement_by_hand(classifier, spoken):
    note = analyze_voice_note(spoken, classifier, settings=VoiceNoteSettings(window=1.0))
    winners = [max(classifier.labels, key=window.get) for window in note.windows]
    agreeing = [window["weight"] for window, winner in zip(note.windows, winners, strict=True) if winner == note.label]
    assert len(set(winners)) > 1
    assert note.agreement == pytest.approx(sum(agreeing) / note.speech_seconds)


def test_plain_data_survives_json(note, classifier):
    plain = json.loads(json.dumps(note.as_dict(), allow_nan=False))
    assert plain == note.as_dict()
    assert plain["speech_seconds"] == note.speech_seconds
    assert list(plain["windows"][0]) == ["start", "end", "speech", "weight", *classifier.labels]


def test_window_comes_as_soon_as_it_is_complete(classifier):
    """Blocks are of half a second: 8 s are complete when 8.192 s are fed."""
    stream, audio = VoiceNoteStream(classifier, settings=ALL), noise(20)
    assert [len(stream.feed(part)) for part in (audio[:131_000], audio[131_000:131_072], audio[131_072:])] == [0, 1, 1]
    note = stream.finish()
    assert len(note.windows) == 3
    assert stream.finish().as_dict() == note.as_dict()
    with pytest.raises(ValueError, match="is finished; begin another"):
        stream.feed(audio)


def test_window_of_a_short_passage_comes_when_the_pause_is_too_long(classifier, marks):
    """Speech ends with frame 40; its pause is longer than 1 s with frame 72, in the block that ends with frame 80."""
    stream = VoiceNoteStream(classifier, settings=VoiceNoteSettings(**BARE))
    assert [len(stream.feed(part)) for part in split(mark(192, (10, 40)), 64 * FRAME)] == [0, 1, 0]


def test_rows_of_the_stream_are_those_of_the_note(classifier, spoken, note):
    stream = VoiceNoteStream(classifier)
    early = [window for chunk in split(spoken, 5000) for window in stream.feed(chunk)]
    assert len(early) >= 3
    assert note.windows[: len(early)] == early


def test_refused_chunk_leaves_the_note_as_it_was(classifier, spoken, note):
    stream = VoiceNoteStream(classifier)
    stream.feed(spoken[:50_000])
    for bad in (np.array([np.nan]), np.zeros((100, 2)), np.zeros(5, np.uint8)):
        with pytest.raises(ValueError, match="audio"):
            stream.feed(bad)
    stream.feed([])
    stream.feed(spoken[50_000:])
    assert stream.finish().as_dict() == note.as_dict()


COURSES = [0.9], [0.9] * 20 + [0.0] * 4000, [0.9, 0.1, 0.4, 0.4], [0.9] * 9 + [0.1] + [0.4] * 800


@pytest.mark.parametrize("course", COURSES)
def test_endless_audio_needs_bounded_memory(classifier, marks, course):
    """Two windows, the longest wait for a decision, a pause, and the copies that are made of them for a moment."""
    stream = VoiceNoteStream(classifier, settings=VoiceNoteSettings(window=2.0))
    second = np.zeros(RATE - RATE % FRAME, np.float32)
    levels = np.resize(course, 120 * len(second) // FRAME).reshape(120, -1)
    tracemalloc.start()
    for level in levels:
        second[::FRAME] = level
        stream.feed(second)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * RATE * 3 * (2 * 2.0 + UNDECIDED + 1 + 1)  # of 7.6 MB that were fed


@pytest.mark.parametrize("audio", [np.zeros(10 * RATE), np.zeros(1), noise(0.1), np.full(5 * RATE, 0.3)])
def test_where_nobody_speaks_there_is_no_label(classifier, audio):
    note = analyze_voice_note(audio, classifier)
    assert note.probabilities is None
    assert note.label is None
    assert np.isnan([note.certainty, note.agreement]).all()
    assert (note.speech_seconds, note.windows, note.seconds) == (0, [], len(audio) / RATE)
    assert note.segments.shape == (0, 2)
    assert json.loads(json.dumps(note.as_dict(), allow_nan=False))["certainty"] is None


def test_one_sample_counts_as_speech_where_all_does(classifier):
    assert len(analyze_voice_note(np.full(1, 0.1), classifier, settings=ALL).windows) == 1
    third = analyze_voice_note(np.full(1, 0.1), classifier, 48_000, ALL)  # a third of a sample at 16 kHz
    assert third.label is None


@pytest.mark.parametrize("audio", [np.zeros(0), [], iter(()), [np.zeros(0)]])
def test_nothing_at_all_is_a_mistake(classifier, audio):
    with pytest.raises(ValueError, match="there is no audio: the voice note is empty"):
        analyze_voice_note(audio, classifier)


@pytest.mark.parametrize(
    ("audio", "rate", "settings", "line"),
    [
        (np.zeros((RATE, 2)), RATE, ALL, "has channels; average them"),
        (repeat(np.array([np.nan])), RATE, ALL, "not finite"),
        (np.zeros(RATE), 0, ALL, "sample_rate is 0; give it in Hz"),
        (np.zeros(RATE), RATE, VoiceNoteSettings(window=9), "window is 9 s; this model takes at most 8.0 s at once"),
    ],
)
def test_mistakes_get_one_line(classifier, audio, rate, settings, line):
    with pytest.raises(ValueError, match=line) as error:
        analyze_voice_note(audio, classifier, rate, settings)
    assert "\n" not in str(error.value)


def test_progress_is_in_seconds(classifier):
    seconds = []
    analyze_voice_note(noise(2.5), classifier, settings=ALL, progress=seconds.append)
    assert seconds == sorted(seconds)
    assert seconds[-1] == 2.5


# What Silero's network takes for no speech: 50 of 5,764 utterances of CREMA-D and RAVDESS, one of them without a sound.
SHOUTED = ("1008_IEO_ANG_HI", "1029_IEO_SAD_HI", "1079_IEO_ANG_HI", "1055_IEO_HAP_LO", "03-01-05-02-02-02-06")
QUIET = ("1075_IWL_SAD_XX", "1075_DFA_SAD_XX", "1010_IEO_SAD_LO", "1081_IEO_SAD_HI")
SILENT = "1076_MTI_SAD_XX"


@pytest.fixture(scope="module")
def missed(real_cremad, real_ravdess) -> dict[str, np.ndarray]:
    files = [file for root in (real_cremad, real_ravdess) for file in root.rglob("*.*")]
    return {file.stem: read_audio(file) for file in files if file.stem in (*SHOUTED, *QUIET, SILENT)}


@pytest.mark.parametrize("name", SHOUTED)
def test_shouting_that_is_missed_is_classified_whole(name, missed, classifier):
    note = analyze_voice_note(missed[name], classifier)
    assert note.assumed and note.as_dict()["assumed"]
    assert note.speech_seconds == note.seconds == note.windows[-1]["end"]


@pytest.mark.parametrize("name", QUIET)
def test_quiet_speech_that_is_missed_is_found_at_a_usual_peak(name, missed, classifier):
    note = analyze_voice_note(missed[name], classifier)
    assert note.windows and not note.assumed and note.speech_seconds < note.seconds


@pytest.mark.parametrize("name", [*SHOUTED[:1], *QUIET[:1]])
def test_neither_depends_on_the_chunks(name, missed, classifier):
    whole, pieces = (analyze_voice_note(audio, classifier) for audio in (missed[name], split(missed[name], 777)))
    assert whole.as_dict() == pieces.as_dict()


def test_silence_noise_and_what_is_too_long_have_no_label(missed, classifier):
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    once = VoiceNoteSettings(retry=0.0)
    for audio, settings in ((missed[SILENT], ALL_RULES), (noise, ALL_RULES), (missed[SHOUTED[0]], once)):
        note = analyze_voice_note(audio, classifier, settings=settings)
        assert note.label is None and not note.assumed and note.windows == []
