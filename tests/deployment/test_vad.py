"""Speech in a stream: the segments of silero-vad, for any chunks, as early as they are certain, and without torch."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import silero_vad
import torch
from silero_vad.utils_vad import get_speech_timestamps_from_probs

from sercore.deployment.vad import FRAME, UNDECIDED, AllSpeech, SpeechDetector, packaged

RATE = 16_000  # Hz
SETTINGS = [  # threshold, release, min_speech, min_silence, pad
    (0.5, 0.35, 0.25, 0.1, 0.03),
    (0.5, 0.35, 0.25, 0.1, 0.2),
    (0.8, 0.2, 0.0, 0.0, 0.0),
    (0.3, 0.3, 0.5, 0.032, 0.5),
]


def chunked(samples: np.ndarray, size: int) -> list[np.ndarray]:
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def found(samples: np.ndarray, size: int, *settings, file=None) -> list[tuple[int, int]]:
    detector = SpeechDetector(*settings, file=file)
    return [segment for chunk in chunked(samples, size) for segment in detector.feed(chunk)] + detector.finish()


def named(threshold, release, min_speech, min_silence, pad) -> dict:
    """The settings as silero-vad calls them."""
    times = {"min_speech_duration_ms": min_speech, "min_silence_duration_ms": min_silence, "speech_pad_ms": pad}
    return {"threshold": threshold, "neg_threshold": release} | {name: 1000 * seconds for name, seconds in times.items()}


def spans(timestamps: list[dict]) -> list[tuple[int, int]]:
    return [(segment["start"], segment["end"]) for segment in timestamps]


@pytest.fixture(scope="module", params=["spoken", "really_spoken"])
def recording(request) -> np.ndarray:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def expected(recording) -> dict:
    model = silero_vad.load_silero_vad(onnx=True)
    audio = torch.from_numpy(recording)
    return {settings: spans(silero_vad.get_speech_timestamps(audio, model, **named(*settings))) for settings in SETTINGS}


@pytest.mark.parametrize("settings", SETTINGS)
def test_segments_are_those_of_silero(recording, expected, settings):
    assert len(expected[settings]) >= 5
    assert found(recording, 8192, *settings) == expected[settings]


@pytest.mark.parametrize("size", [1, 160, 512, 16_000, 77_777, 10**9])
def test_chunks_do_not_change_the_segments(recording, expected, size):
    part = recording[: 10 * RATE + 100]
    assert found(part, size) == found(part, 1024)
    if size > 100:
        assert found(recording, size) == expected[SETTINGS[0]]


def marked(probabilities: np.ndarray, samples: int) -> np.ndarray:
    """Audio that is heard with these probabilities, one for each frame begun."""
    audio = np.zeros(samples, np.float32)
    audio[::FRAME] = probabilities
    return audio


@pytest.mark.parametrize("seed", range(40))
def test_rules_are_those_of_silero(marks, seed):
    """For courses of probability and settings that speech would not give."""
    rng = np.random.default_rng(seed)
    samples = int(rng.integers(1, 140 * FRAME))
    frames = -(-samples // FRAME)
    probabilities = rng.choice([0.05, 0.3, 0.4, 0.6, 0.9], frames)[np.sort(rng.integers(0, frames, frames))].astype(np.float32)
    settings = (0.5, rng.choice([0.1, 0.35, 0.5]), *(rng.choice(times) for times in ([0, 0.096, 0.25], [0, 0.1, 0.3], [0, 0.03, 0.2, 0.5])))
    oracle = get_speech_timestamps_from_probs(probabilities.tolist(), audio_length_samples=samples, **named(*settings))
    for size in (1000, 10**9):
        assert found(marked(probabilities, samples), size, *settings, file=marks) == spans(oracle)


def test_what_is_said_of_the_future_comes_true(marks):
    """The ongoing segment becomes final, not shorter; none begins before what is settled."""
    rng = np.random.default_rng(1)
    probabilities = np.repeat(rng.choice([0.05, 0.4, 0.9], 200), rng.integers(1, 12, 200))
    audio = marked(probabilities, len(probabilities) * FRAME)
    detector, promises, final = SpeechDetector(pad=0.1, file=marks), [], []
    for chunk in chunked(audio, FRAME):
        final += detector.feed(chunk)
        promises.append((len(final), detector.ongoing, detector.settled))
    final += detector.finish()
    assert sum(ongoing is not None for _, ongoing, _ in promises) > 300
    for count, ongoing, settled in promises:
        if count < len(final):
            assert final[count][0] >= settled
        if ongoing:
            assert final[count][0] == ongoing[0] == settled and final[count][1] >= ongoing[1]


def test_segment_is_final_as_soon_as_the_silence_is_long_enough(marks):
    """Speech in 20 frames; 0.1 s of silence are over with the start of the 4th frame after them (3.1 frames)."""
    detector = SpeechDetector(file=marks)
    audio = marked(np.repeat([0.9, 0.0], 20), 40 * FRAME)
    assert detector.feed(audio[: 24 * FRAME]) == []
    assert detector.feed(audio[24 * FRAME : 25 * FRAME]) == [(0, 20 * FRAME + 480)]


def test_indecision_without_end_ends_speech_where_it_began(marks):
    frames = round(UNDECIDED * RATE / FRAME) + 3
    audio = marked(np.r_[np.full(20, 0.9), 0.1, np.full(frames, 0.4), np.full(20, 0.9)], (41 + frames) * FRAME)
    assert found(audio, 1000, file=marks) == [(0, 20 * FRAME + 480), ((21 + frames) * FRAME - 480, len(audio))]


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 5000])
def test_silence_holds_no_speech(samples):
    assert found(np.zeros(samples, np.float32), 512) == []


def test_without_detection_all_is_speech():
    everything = AllSpeech()
    assert everything.finish() == []
    assert everything.feed(np.zeros(700)) == everything.feed(np.zeros(0)) == [] and everything.ongoing == (0, 700)
    assert everything.finish() == [(0, 700)]


def test_missing_package_names_the_ways_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install silero-vad, .*Rules\(vad=False\)") as error:
        SpeechDetector()
    assert "\n" not in str(error.value)


def test_file_of_the_network_replaces_the_package(monkeypatch, tmp_path):
    shutil.copy(packaged(), tmp_path / "network.onnx")
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    assert found(np.zeros(1000, np.float32), 512, file=tmp_path / "network.onnx") == []


@pytest.mark.parametrize(
    ("name", "error", "line"),
    [("absent", FileNotFoundError, "no such file; it is silero_vad_16k_op15"), ("text", ValueError, "cannot load it")],
)
def test_unusable_network_gets_one_line(tmp_path, name, error, line):
    (tmp_path / "text").write_text("no network")
    with pytest.raises(error, match=f"{name}: .*{line}") as raised:
        SpeechDetector(file=tmp_path / name)
    assert "\n" not in str(raised.value)


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="silero_vad_16k_sequence.onnx: is another network; give silero_vad_16k_op15"):
        SpeechDetector(file=packaged().with_name("silero_vad_16k_sequence.onnx"))


def test_torch_is_not_loaded():
    code = (
        "import sys, numpy; from sercore.deployment.vad import SpeechDetector\n"
        "SpeechDetector().feed(numpy.zeros(1000, numpy.float32))\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "onnxruntime" in loaded and not {"torch", "librosa", "silero_vad", "pandas", "scipy"} & set(loaded)
