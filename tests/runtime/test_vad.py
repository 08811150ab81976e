"""Speech in a stream: the segments of silero-vad, for any chunks, as early as they are certain."""

import numpy as np
import pytest

from sercore.runtime import SpeechDetector, VoiceNoteSettings
from sercore.runtime.vad import FRAME, UNDECIDED, SileroNetwork, resembles_voice

RATE = 16_000  # Hz
pytestmark = pytest.mark.filterwarnings("ignore:path is deprecated:DeprecationWarning")  # of silero-vad
SETTINGS = [  # threshold, release, min_speech, min_silence, pad
    (0.5, 0.35, 0.25, 0.1, 0.03),
    (0.5, 0.35, 0.25, 0.1, 0.2),
    (0.8, 0.2, 0.0, 0.0, 0.0),
    (0.3, 0.3, 0.5, 0.032, 0.5),
]


def split(samples: np.ndarray, size: int) -> list[np.ndarray]:
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def detect(samples: np.ndarray, size: int, *settings) -> list[tuple[int, int]]:
    detector = SpeechDetector(VoiceNoteSettings(True, *settings))
    return [segment for chunk in split(samples, size) for segment in detector.feed(chunk)] + detector.finish()


def as_silero_names_them(threshold, release, min_speech, min_silence, pad) -> dict:
    times = {"min_speech_duration_ms": min_speech, "min_silence_duration_ms": min_silence, "speech_pad_ms": pad}
    milliseconds = {name: 1000 * seconds for name, seconds in times.items()}
    return {"threshold": threshold, "neg_threshold": release} | milliseconds


def spans(timestamps: list[dict]) -> list[tuple[int, int]]:
    return [(segment["start"], segment["end"]) for segment in timestamps]


@pytest.fixture(scope="module")
def silero_vad():
    return pytest.importorskip("silero_vad")


@pytest.fixture(scope="module", params=["spoken", "really_spoken"])
def recording(request) -> np.ndarray:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def expected(recording, silero_vad) -> dict:
    import torch

    model, audio = silero_vad.load_silero_vad(onnx=True), torch.from_numpy(recording)
    find = silero_vad.get_speech_timestamps
    return {settings: spans(find(audio, model, **as_silero_names_them(*settings))) for settings in SETTINGS}


@pytest.mark.parametrize("settings", SETTINGS)
def test_segments_are_those_of_silero(recording, expected, settings):
    """silero-vad hears one frame at a time, with another file of the same network."""
    assert len(expected[settings]) >= 5
    assert detect(recording, 8192, *settings) == expected[settings]


@pytest.mark.parametrize("size", [1, 160, 512, 77_777, 10**9])
def test_chunks_do_not_change_the_segments(recording, size):
    part = recording[: 10 * RATE + 100]
    assert detect(part, size) == detect(part, 1024)


def test_frames_at_once_have_the_probabilities_of_frames_one_by_one(spoken):
    frames = spoken[: 600 * FRAME].reshape(-1, FRAME)
    one_by_one, at_once = SileroNetwork(), SileroNetwork()
    expected = np.concatenate([one_by_one(frame[None]) for frame in frames])
    np.testing.assert_allclose(at_once(frames), expected, atol=1e-6)


def mark(probabilities: np.ndarray, samples: int) -> np.ndarray:
    """Audio to which `marks` gives these probabilities, one for each frame begun."""
    audio = np.zeros(samples, np.float32)
    audio[::FRAME] = probabilities
    return audio


@pytest.mark.parametrize("seed", range(20))
def test_rules_are_those_of_silero(marks, silero_vad, seed):
    """For courses of probability and settings that speech would not give."""
    from silero_vad.utils_vad import get_speech_timestamps_from_probs

    rng = np.random.default_rng(seed)
    samples = int(rng.integers(1, 140 * FRAME))
    frames = -(-samples // FRAME)
    course = rng.choice([0.05, 0.3, 0.4, 0.6, 0.9], frames)[np.sort(rng.integers(0, frames, frames))]
    times = [0, 0.096, 0.25], [0, 0.1, 0.3], [0, 0.03, 0.2, 0.5]
    settings = (0.5, *map(float, (rng.choice([0.1, 0.35, 0.5]), *map(rng.choice, times))))
    names = as_silero_names_them(*settings)
    oracle = get_speech_timestamps_from_probs(course.astype(np.float32).tolist(), audio_length_samples=samples, **names)
    for size in (1000, 10**9):
        assert detect(mark(course, samples), size, *settings) == spans(oracle)


def test_what_is_promised_comes_true(marks):
    """The ongoing segment becomes final, not shorter; none begins before what is settled."""
    rng = np.random.default_rng(1)
    probabilities = np.repeat(rng.choice([0.05, 0.4, 0.9], 200), rng.integers(1, 12, 200))
    audio = mark(probabilities, len(probabilities) * FRAME)
    detector, promises, final = SpeechDetector(VoiceNoteSettings(pad=0.1)), [], []
    for chunk in split(audio, FRAME):
        final += detector.feed(chunk)
        promises.append((len(final), detector.ongoing, detector.settled))
    final += detector.finish()
    assert sum(ongoing is not None for _, ongoing, _ in promises) > 300
    for count, ongoing, settled in promises:
        if count < len(final):
            assert final[count][0] >= settled
        if ongoing:
            assert final[count][0] == ongoing[0] == settled
            assert final[count][1] >= ongoing[1]


def test_segment_is_final_as_soon_as_the_silence_is_long_enough(marks):
    """Speech in 20 frames; 0.1 s of silence are over with the start of the 4th frame after them (3.1 frames)."""
    detector = SpeechDetector()
    audio = mark(np.repeat([0.9, 0.0], 20), 40 * FRAME)
    assert detector.feed(audio[: 24 * FRAME]) == []
    assert detector.feed(audio[24 * FRAME : 25 * FRAME]) == [(0, 20 * FRAME + 480)]


def test_indecision_without_end_ends_speech_where_it_began(marks):
    frames = round(UNDECIDED * RATE / FRAME) + 3
    course = np.r_[np.full(20, 0.9), 0.1, np.full(frames, 0.4), np.full(20, 0.9)]
    audio = mark(course, (41 + frames) * FRAME)
    assert detect(audio, 1000) == [(0, 20 * FRAME + 480), ((21 + frames) * FRAME - 480, len(audio))]


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 5000])
def test_silence_holds_no_speech(samples):
    assert detect(np.zeros(samples, np.float32), 512) == []


@pytest.mark.parametrize("samples", [1, 511, 512, 5000])
def test_without_detection_all_is_speech(samples):
    detector = SpeechDetector(VoiceNoteSettings(vad=False))
    assert detector.feed(np.zeros(samples, np.float32)) == []
    assert detector.finish() == [(0, samples)]


def shout(seconds: float = 1.0, pitch: float = 300.0) -> np.ndarray:
    """A loud periodic sound between faint noise, as a shout is."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * harmonic * time) / harmonic for harmonic in range(1, 8))
    faint = np.random.default_rng(0).normal(0, 1e-3, RATE)
    return np.concatenate([faint, 0.4 * tone * np.hanning(len(time)), faint]).astype(np.float32)


def test_a_shout_resembles_a_voice():
    assert resembles_voice(shout())


@pytest.mark.parametrize("slope", [0, 0.5, 1], ids=["white", "pink", "brown"])
def test_noise_resembles_no_voice_even_between_silence(slope):
    """The power of noise falls with frequency to the power of twice the slope."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=3 * RATE))
    noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1.0) ** slope)
    noise = (0.5 * noise / np.abs(noise).max()).astype(np.float32)
    assert not resembles_voice(noise) and not resembles_voice(np.pad(noise, RATE))


def test_sustained_music_and_knocks_resemble_no_voice():
    time = np.arange(3 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330)) / 6
    knocks = np.random.default_rng(0).normal(size=len(time)) * np.exp(-(time % 0.5) * 50)
    assert not resembles_voice(chord.astype(np.float32)) and not resembles_voice(knocks.astype(np.float32))


def test_too_short_resembles_no_voice():
    assert not resembles_voice(np.ones(FRAME - 1, np.float32)) and not resembles_voice(np.zeros(RATE, np.float32))
