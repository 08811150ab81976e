"""A voice note: what is heard where, what it comes to, for audio of any length in any chunks."""

import json
import subprocess
import sys
import tracemalloc
from itertools import repeat

import numpy as np
import pytest
import soundfile

from sercore.deployment import Rules, VoiceNoteStream, analyze_voice_note
from sercore.deployment.vad import FRAME, UNDECIDED
from sercore.deployment.voice_note import aggregate, certainty

RATE = 16_000  # Hz
ALL = Rules(vad=False)
BARE = {"pad": 0.0, "min_speech": 0.0}  # so that segments are where the marks are


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Of changing loudness, so that the answers for its windows differ."""
    samples = round(seconds * RATE)
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0.01, 0.3, samples // 4000 + 1), 4000)[:samples]
    return (loudness * rng.standard_normal(samples).cumsum() / 40).clip(-1, 1).astype(np.float32)


def marked(frames: int, *spoken: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Audio of so many frames of 32 ms, with speech from frame to frame as the `marks` network hears it."""
    audio = noise(frames * FRAME / RATE, seed)
    audio[::FRAME] = 0
    for first, last in spoken:
        audio[first * FRAME : last * FRAME : FRAME] = 0.9
    return audio


def places(note) -> list[tuple[float, float]]:
    """Windows, in frames."""
    return [tuple(row) for row in (note.windows[["start", "end"]].to_numpy() * RATE / FRAME).round(6).tolist()]


def same(first, second) -> bool:
    return first.as_dict() == second.as_dict()


@pytest.fixture(scope="module")
def note(answering, spoken):
    return analyze_voice_note(spoken, answering)


@pytest.fixture(scope="module", params=["spoken", "really_spoken"])
def recording(request) -> np.ndarray:
    return request.getfixturevalue(request.param)


def test_what_is_spoken_is_found_and_heard(note, spoken):
    """Voices speak for 18.5 s, with two pauses of more than a second between them."""
    assert note.seconds == len(spoken) / RATE and 15 < note.speech_seconds < 19.5
    assert len(note.windows) >= 4 and (note.windows["start"].diff() > 0)[1:].all()
    assert note.label == max(note.probabilities, key=note.probabilities.get)


@pytest.mark.parametrize(
    "rules", [Rules(), Rules(window=1.5, overlap=0.5), Rules(max_pause=0.2), Rules(max_pause=60, aggregate="median"), ALL]
)
def test_properties_of_every_note(answering, recording, rules):
    note = analyze_voice_note(recording, answering, rules=rules)
    windows = note.windows
    assert windows["weight"].sum() == pytest.approx(note.speech_seconds)
    assert ((windows["end"] - windows["start"]) <= rules.window + 1e-9).all() and windows["start"].is_monotonic_increasing
    assert windows["speech"].between(0, 1).all() and (note.segments["end"] <= note.seconds).all()
    np.testing.assert_allclose(windows[list(answering.labels)].sum(axis=1), 1, atol=1e-5)
    assert sum(note.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert 0 <= note.certainty <= 1 and 0 < note.agreement <= 1


def chunks(audio: np.ndarray, size: int):
    return (audio[start : start + size] for start in range(0, len(audio), size))


@pytest.mark.parametrize("size", [1, 160, 512, 7919, 16_000])
def test_chunks_do_not_change_the_note(answering, recording, size):
    audio = recording[: 6 * RATE] if size == 1 else recording
    assert same(analyze_voice_note(chunks(audio, size), answering), analyze_voice_note(audio, answering))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_chunks_of_another_rate_do_not_change_the_note(answering, spoken, rate):
    expected = analyze_voice_note(spoken, answering, sample_rate=rate)
    assert expected.seconds == pytest.approx(len(spoken) / rate, abs=1 / RATE)
    assert same(analyze_voice_note(chunks(spoken, 333), answering, sample_rate=rate), expected)


def test_file_waveform_and_integers_give_the_same_note(answering, spoken, tmp_path):
    integers = (spoken * 32767).round().astype(np.int16)
    expected = analyze_voice_note(integers, answering)
    soundfile.write(tmp_path / "note.wav", np.stack([integers, integers], axis=1), RATE)
    soundfile.write(tmp_path / "note.flac", integers, RATE)
    for audio in (tmp_path / "note.wav", str(tmp_path / "note.flac"), integers / 2**15, integers.astype(np.int32) * 2**16):
        assert same(analyze_voice_note(audio, answering), expected)


def test_windows_are_classified_as_they_are_in_the_recording(answering, spoken, note):
    for row in note.windows.to_dict("records"):
        audio = spoken[round(row["start"] * RATE) : round(row["end"] * RATE)]
        np.testing.assert_array_equal([row[label] for label in answering.labels], answering.probabilities(audio).astype(float))


@pytest.mark.parametrize(
    ("seconds", "rules", "expected"),
    [
        (20, {}, [(0, 8), (8, 16), (12, 20)]),
        (16, {}, [(0, 8), (8, 16)]),
        (8, {}, [(0, 8)]),
        (3, {}, [(0, 3)]),
        (20, {"overlap": 4}, [(0, 8), (4, 12), (8, 16), (12, 20)]),
        (9, {"overlap": 2}, [(0, 8), (1, 9)]),
        (5, {"window": 2}, [(0, 2), (2, 4), (3, 5)]),
    ],
)
def test_windows_without_detection(answering, seconds, rules, expected):
    note = analyze_voice_note(noise(seconds), answering, rules=Rules(vad=False, **rules))
    assert [tuple(row) for row in note.windows[["start", "end"]].to_numpy()] == expected
    assert note.windows["speech"].eq(1).all() and note.windows["weight"].sum() == pytest.approx(seconds)
    assert note.segments.to_numpy().tolist() == [[0, seconds]]


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ([(10, 50), (80, 100)], [(10, 100)]),  # 30 frames are 0.96 s
        ([(10, 50), (81, 100)], [(10, 50), (81, 100)]),
        ([(10, 270)], [(10, 260), (20, 270)]),  # 8 s are 250 frames
        ([(10, 150), (170, 300), (400, 420)], [(10, 260), (50, 300), (400, 420)]),
    ],
)
def test_short_pauses_stay_in_a_passage_and_long_ones_end_it(answering, marks, spoken, expected):
    note = analyze_voice_note(marked(450, *spoken), answering, rules=Rules(**BARE, max_pause=0.96), vad_file=marks)
    assert places(note) == expected
    assert (note.segments.to_numpy() * RATE / FRAME).round(6).tolist() == [list(span) for span in spoken]


def test_speech_and_weight_by_hand(answering, marks):
    """Windows of frames 10..260 and 50..300; speech is 140 + 90 of the first's 250, and 40 that only the second hears."""
    windows = analyze_voice_note(marked(450, (10, 150), (170, 300)), answering, rules=Rules(**BARE), vad_file=marks).windows
    np.testing.assert_allclose(windows["speech"], [230 / 250, 230 / 250])
    np.testing.assert_allclose(windows["weight"], [230 * 0.032, 40 * 0.032])


def test_aggregates_by_hand():
    probabilities, weights = np.array([[0.8, 0.2, 0.0], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]]), np.array([2.0, 1.0, 1.0])
    np.testing.assert_allclose(aggregate(probabilities, weights, "weighted"), [1.9 / 4, 1.4 / 4, 0.7 / 4])
    np.testing.assert_allclose(aggregate(probabilities, weights, "mean"), [1.1 / 3, 1.2 / 3, 0.7 / 3])
    np.testing.assert_allclose(aggregate(probabilities, weights, "median"), [0.2 / 0.6, 0.3 / 0.6, 0.1 / 0.6])
    np.testing.assert_allclose(aggregate(np.eye(3), weights, "median"), [1 / 3] * 3)  # medians of 0 tell nothing; the mean does


@pytest.mark.parametrize(("probabilities", "expected"), [([0.25] * 4, 0), ([0, 1, 0, 0], 1), ([0.5, 0, 0.5, 0], 0.5)])
def test_certainty_by_hand(probabilities, expected):
    """Two equal of four labels: 1 - log 2 / log 4."""
    assert certainty(np.array(probabilities)) == pytest.approx(expected)


def test_agreement_by_hand(answering, spoken):
    note = analyze_voice_note(spoken, answering, rules=Rules(window=1.0))
    winners = note.windows[list(answering.labels)].idxmax(axis=1)
    assert winners.nunique() > 1 and note.certainty == certainty(np.array(list(note.probabilities.values())))
    assert note.agreement == pytest.approx(note.windows["weight"][winners == note.label].sum() / note.speech_seconds)


def test_plain_data_survives_json(note):
    told = json.loads(json.dumps(note.as_dict(), allow_nan=False))
    assert told == note.as_dict() and len(told["windows"]) == len(note.windows) and told["speech_seconds"] == note.speech_seconds
    assert list(told["windows"][0]) == ["start", "end", "speech", "weight", "anger", "happiness", "neutral", "sadness"]


def test_window_comes_as_soon_as_it_is_complete(answering):
    """Blocks are of half a second: 8 s are heard when 8.192 s are fed."""
    stream, audio = VoiceNoteStream(answering, rules=ALL), noise(20)
    assert [len(stream.feed(chunk)) for chunk in (audio[:131_000], audio[131_000:131_072], audio[131_072:])] == [0, 1, 1]
    note = stream.finish()
    assert len(note.windows) == 3 and same(stream.finish(), note)
    with pytest.raises(ValueError, match="is finished; begin another"):
        stream.feed(audio)


def test_window_of_a_short_passage_comes_when_the_pause_is_too_long(answering, marks):
    """Speech ends with frame 40; its pause is longer than 1 s with frame 72, in the block that ends with frame 80."""
    stream, audio = VoiceNoteStream(answering, rules=Rules(**BARE), vad_file=marks), marked(200, (10, 40))
    assert [len(stream.feed(audio[64 * FRAME * part : 64 * FRAME * (part + 1)])) for part in range(3)] == [0, 1, 0]


def test_rows_of_the_stream_are_those_of_the_note(answering, spoken, note):
    stream = VoiceNoteStream(answering)
    early = [row for chunk in chunks(spoken, 5000) for row in stream.feed(chunk)]
    assert len(early) >= 3 and note.windows.to_dict("records")[: len(early)] == early


def test_refused_chunk_leaves_the_note_as_it_was(answering, spoken, note):
    stream = VoiceNoteStream(answering)
    stream.feed(spoken[:50_000])
    for bad in (np.array([np.nan]), np.zeros((100, 2)), np.zeros(5, np.uint8)):
        with pytest.raises(ValueError):
            stream.feed(bad)
    stream.feed([])
    stream.feed(spoken[50_000:])
    assert same(stream.finish(), note)


COURSES = ([0.9], [0.9] * 20 + [0.0] * 4000, [0.9] * 30 + [0.0] * 20, [0.9, 0.1, 0.4, 0.4], [0.9] * 9 + [0.1] + [0.4] * 800)


@pytest.mark.parametrize("course", COURSES)
def test_endless_audio_needs_bounded_memory(answering, marks, course):
    """Two windows, the longest wait for a decision, a pause, and the copies that are made of them for a moment."""
    stream = VoiceNoteStream(answering, rules=Rules(window=2.0), vad_file=marks)
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
def test_no_speech_is_an_answer(answering, audio):
    note = analyze_voice_note(audio, answering)
    assert note.probabilities is None and note.label is None and np.isnan(note.certainty) and np.isnan(note.agreement)
    assert note.speech_seconds == 0 and note.windows.empty and note.seconds == len(audio) / RATE
    assert list(note.windows) == ["start", "end", "speech", "weight", *answering.labels] and list(note.segments) == ["start", "end"]
    assert note.as_dict()["certainty"] is None and json.dumps(note.as_dict(), allow_nan=False)


def test_one_sample_counts_as_speech_where_all_does(answering):
    assert len(analyze_voice_note(np.full(1, 0.1), answering, rules=ALL).windows) == 1
    assert analyze_voice_note(np.full(1, 0.1), answering, 48_000, ALL).label is None  # a third of a sample at 16 kHz


def test_clipped_speech_is_heard(answering, spoken):
    note = analyze_voice_note((spoken * 50).clip(-1, 1), answering)
    assert note.label in answering.labels and note.speech_seconds > 5


@pytest.mark.parametrize("audio", [np.zeros(0), [], iter(()), [np.zeros(0)]])
def test_nothing_at_all_is_a_mistake(answering, audio):
    with pytest.raises(ValueError, match="there is no audio: the voice note is empty"):
        analyze_voice_note(audio, answering)


def test_mistakes_get_one_line(answering, tmp_path):
    (tmp_path / "text.wav").write_text("only text")
    mistakes = {
        "text.wav: cannot be decoded": (tmp_path / "text.wav", RATE, Rules()),
        "has channels; average them": (np.zeros((RATE, 2)), RATE, Rules()),
        "not finite": (repeat(np.array([np.nan])), RATE, Rules()),
        "sample_rate is 0; give it in Hz": (np.zeros(RATE), 0, Rules()),
        "window is 9 s; this model hears at most 8.0 s at once": (np.zeros(RATE), RATE, Rules(window=9)),
    }
    for line, arguments in mistakes.items():
        with pytest.raises(ValueError, match=line) as error:
            analyze_voice_note(arguments[0], answering, *arguments[1:])
        assert "\n" not in str(error.value)


def test_progress_is_told_in_seconds(answering):
    told = []
    analyze_voice_note(noise(2.5), answering, rules=ALL, progress=told.append)
    assert told == sorted(told) and told[-1] == 2.5


def test_neither_torch_nor_librosa_is_needed(tmp_path, spoken):
    soundfile.write(tmp_path / "note.wav", spoken[: 5 * RATE], RATE)
    code = (
        "import sys; from sercore.deployment import VoiceNoteStream, analyze_voice_note, EmotionClassifier\n"
        "class Even: labels, metadata = ('a', 'b'), {'max_seconds': 8.0}; probabilities = lambda *_: __import__('numpy').full(2, 0.5)\n"
        f"assert analyze_voice_note({str(tmp_path / 'note.wav')!r}, Even()).certainty == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "onnxruntime" in loaded
    assert not {"torch", "transformers", "librosa", "silero_vad", "matplotlib", "onnx", "scipy"} & set(loaded)
