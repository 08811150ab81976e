"""The file as a classifier: what it takes, what it refuses, and that it needs neither torch nor librosa."""

import subprocess
import sys

import librosa
import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import TensorProto, helper

import sercore.deployment
from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment import EmotionClassifier, export_onnx
from sercore.deployment.classifier import read
from sercore.emotions import EMOTIONS
from sercore.training import build_classifier

RATE = 16_000  # Hz
RESAMPLED = 0.02  # of probabilities; trained models moved by up to 0.005 on 80 real utterances


def spoken(seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return speak(draw_voice("female", rng), express("happiness", 1.0), seconds, rate, rng).astype(np.float32)


VOICE = spoken()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(0)
    model = build_classifier("tiny")
    with torch.no_grad():
        model.classifier.weight.mul_(20)  # so that answers differ from sound to sound
    return export_onnx(model.eval(), tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def classifier(file):
    return EmotionClassifier(file, threads=1)


def test_file_brings_its_labels_and_facts(classifier):
    assert classifier.labels == EMOTIONS
    assert classifier.metadata["sample_rate"] == 16_000 and classifier.metadata["max_seconds"] == 8.0
    assert classifier.metadata["scheme"] == "fp32" and classifier.metadata["synthetic"] is False


def test_prediction_names_the_probabilities(classifier):
    told = classifier.predict(VOICE)
    assert list(told) == list(EMOTIONS) and sum(told.values()) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(list(told.values()), classifier.probabilities(VOICE))


def test_batch_gives_a_row_each(classifier):
    batch = np.zeros((2, RATE), np.float32)
    batch[0], batch[1, :9000] = VOICE, VOICE[:9000]
    expected = [classifier.probabilities(VOICE), classifier.probabilities(VOICE[:9000])]
    np.testing.assert_allclose(classifier.probabilities(batch), expected, atol=1e-5)
    with pytest.raises(ValueError, match="predict takes one waveform"):
        classifier.predict(batch)


@pytest.mark.parametrize("kind", ["int16", "int32", "float64"])
def test_kinds_of_numbers_are_scaled(classifier, kind):
    scale = {"int16": 32767, "int32": 2147483647, "float64": 1}[kind]
    found = classifier.probabilities((VOICE.astype(np.float64) * scale).astype(kind))
    np.testing.assert_allclose(found, classifier.probabilities(VOICE), atol=2e-3)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_heard_as_in_training(classifier, rate):
    """Training reads them with librosa, that is soxr."""
    for seed in range(3):
        recorded = spoken(1.0, rate, seed)
        expected = librosa.resample(recorded, orig_sr=rate, target_sr=RATE)
        found = classifier.probabilities(recorded, rate)
        np.testing.assert_allclose(found, classifier.probabilities(expected), rtol=0, atol=RESAMPLED)


def test_rows_of_another_rate_give_what_they_give_alone(classifier):
    recorded = spoken(1.0, 48_000)
    batch = np.stack([recorded, np.pad(recorded[:30_000], (0, 18_000))])
    expected = [classifier.probabilities(recorded, 48_000), classifier.probabilities(recorded[:30_000], 48_000)]
    np.testing.assert_allclose(classifier.probabilities(batch, 48_000), expected, atol=1e-5)


def test_file_of_audio_tells_its_rate_and_its_channels_are_averaged(classifier, tmp_path):
    left, right = spoken(1.0, 48_000, 1), spoken(1.0, 48_000, 2)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], 1), 48_000, subtype="FLOAT")
    found = classifier.probabilities(tmp_path / "stereo.wav")
    np.testing.assert_allclose(found, classifier.probabilities((left + right) / 2, 48_000), atol=1e-5)


@pytest.mark.parametrize("seconds", [1 / RATE, 0.01])
def test_shortest_audio_gets_an_answer(classifier, seconds):
    assert np.isfinite(classifier.probabilities(VOICE[5000 : 5000 + round(seconds * RATE)])).all()


def test_ten_minutes_are_cut_after_trimming(classifier):
    """What counts is the first 8 s behind the silence."""
    late = np.concatenate([np.zeros(5 * RATE, np.float32), np.tile(spoken(10), 60)])
    found = classifier.probabilities(late[: 600 * RATE])
    np.testing.assert_allclose(found, classifier.probabilities(late[: 25 * RATE]), atol=1e-5)
    assert np.abs(found - classifier.probabilities(late[: 8 * RATE])).max() > 1e-3


def test_silence_gets_an_answer(classifier):
    assert np.isfinite(classifier.probabilities(np.zeros(RATE))).all()


@pytest.mark.parametrize(
    ("audio", "line"),
    [
        (np.zeros(0), "there is no audio"),
        (np.zeros((1, 0)), "there is no audio"),
        (np.float32(1), r"shape \(\); give"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\); give"),
        (np.zeros((16000, 2)), r"shape \(16000, 2\) has channels; average them"),
        (np.array([0.1, np.nan]), "not finite"),
        (np.array([0.1, np.inf]), "not finite"),
        (np.zeros(100, np.uint8), "type uint8; give floats, int16 or int32"),
        (np.zeros(100, complex), "type complex128; give"),
    ],
)
def test_unusable_audio_gets_one_line(classifier, audio, line):
    with pytest.raises(ValueError, match=line) as error:
        classifier.probabilities(audio)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate", [0, -8000, float("nan"), float("inf")])
def test_impossible_rate_is_refused(classifier, rate):
    with pytest.raises(ValueError, match="sample_rate is .*; give it in Hz"):
        classifier.probabilities(VOICE, rate)


def test_unusable_files_of_audio_get_one_line(classifier, tmp_path, monkeypatch):
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    with pytest.raises(ValueError, match="bad.wav: cannot be decoded"):
        classifier.predict(tmp_path / "bad.wav")
    with pytest.raises(FileNotFoundError, match="absent.wav: no such file"):
        read(tmp_path / "absent.wav")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ModuleNotFoundError, match="pip install soundfile"):
        read(tmp_path / "bad.wav")


def foreign() -> bytes:
    """A whole ONNX file that nobody exported here."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "foreign", value[:1], value[1:])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (lambda whole: b"", "cannot load it"),
        (lambda whole: b"just text, no graph", "cannot load it"),
        (lambda whole: whole[: len(whole) // 2], "cannot load it"),
        (lambda whole: foreign(), "its metadata lacks labels, sample_rate, max_seconds"),
    ],
    ids=["empty", "text", "truncated", "foreign"],
)
def test_unusable_model_gets_one_line(file, tmp_path, content, line):
    (tmp_path / "bad.onnx").write_bytes(content(file.read_bytes()))
    with pytest.raises(ValueError, match=f"bad.onnx: .*{line}") as error:
        EmotionClassifier(tmp_path / "bad.onnx")
    assert "\n" not in str(error.value)


def test_missing_model_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.onnx: no such file"):
        EmotionClassifier(tmp_path / "absent.onnx")


def test_labels_are_read_from_the_file(file, tmp_path):
    proto = onnx.load(file)
    entry = next(entry for entry in proto.metadata_props if entry.key == "labels")
    entry.value = '["a", "b", "c", "d"]'
    onnx.save(proto, tmp_path / "renamed.onnx")
    assert list(EmotionClassifier(tmp_path / "renamed.onnx").predict(VOICE)) == ["a", "b", "c", "d"]


def test_neither_torch_nor_librosa_is_needed(file):
    code = (
        "import sys, numpy\n"
        "from sercore.deployment import EmotionClassifier\n"
        f"EmotionClassifier({str(file)!r}).predict(numpy.zeros(8000), 8000)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "librosa", "onnx", "scipy", "pandas", "soundfile"} & set(loaded)
    assert "onnxruntime" in loaded


def test_the_wing_loads_what_is_asked_for():
    """Also where the module of the same name was loaded first."""
    import sercore.deployment.quantize  # noqa: F401

    assert callable(sercore.deployment.quantize) and set(sercore.deployment.__all__) >= {"EmotionClassifier", "export_onnx"}
    with pytest.raises(AttributeError, match="has no attribute 'exprt'"):
        sercore.deployment.exprt
