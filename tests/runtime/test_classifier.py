"""The file as a classifier: what it takes and what it refuses."""

import librosa
import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import TensorProto, helper

from sercore.demo import draw_voice, express_emotion, speak
from sercore.export import export_onnx
from sercore.labels import EMOTIONS
from sercore.runtime import EmotionClassifier, VoiceNoteSettings, analyze_voice_note
from sercore.training import build_classifier

RATE = 16_000  # Hz
RESAMPLED = 1e-4  # of probabilities; librosa calls soxr on the whole waveform


def speech(seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return speak(draw_voice("female", rng), express_emotion("happiness", 1.0), seconds, rate, rng).astype(np.float32)


VOICE = speech()


def test_file_brings_its_labels_and_facts(classifier):
    assert classifier.labels == EMOTIONS
    assert classifier.metadata["sample_rate"] == 16_000
    assert classifier.metadata["max_seconds"] == 8.0
    assert classifier.metadata["scheme"] == "fp32"
    assert classifier.metadata["synthetic"] is False


def test_prediction_names_the_probabilities(classifier):
    prediction = classifier.predict(VOICE)
    assert list(prediction) == list(EMOTIONS)
    assert sum(prediction.values()) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(list(prediction.values()), classifier.probabilities(VOICE))


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_rows_of_a_batch_give_what_they_give_alone(classifier, rate):
    """The second ends in zeros; the third is silence."""
    voice = speech(1.0, rate)
    batch = np.stack([voice, np.pad(voice[: rate // 2], (0, rate - rate // 2)), np.zeros(rate, np.float32)])
    alone = [classifier.probabilities(row, rate) for row in (voice, voice[: rate // 2], batch[2])]
    np.testing.assert_allclose(classifier.probabilities(batch, rate), alone, atol=1e-5)
    with pytest.raises(ValueError, match="predict takes one waveform"):
        classifier.predict(batch, rate)


@pytest.mark.parametrize("kind", ["int16", "int32", "float64"])
def test_kinds_of_numbers_are_scaled(classifier, kind):
    scale = {"int16": 32767, "int32": 2147483647, "float64": 1}[kind]
    found = classifier.probabilities((VOICE.astype(np.float64) * scale).astype(kind))
    np.testing.assert_allclose(found, classifier.probabilities(VOICE), atol=2e-3)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_converted_as_librosa_does(classifier, rate):
    recorded = speech(1.0, rate)
    expected = librosa.resample(recorded, orig_sr=rate, target_sr=RATE)
    found = classifier.probabilities(recorded, rate)
    np.testing.assert_allclose(found, classifier.probabilities(expected), atol=RESAMPLED)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_classifier_and_voice_note_see_the_same_samples(classifier, tmp_path, rate):
    """The one reads a file at once, the other piece by piece."""
    stereo = np.stack([speech(3.0, rate, 1), speech(3.0, rate, 2)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, rate)
    note = analyze_voice_note(tmp_path / "stereo.wav", classifier, settings=VoiceNoteSettings(vad=False))
    assert note.probabilities == classifier.predict(tmp_path / "stereo.wav")


@pytest.mark.parametrize("seconds", [1 / RATE, 0.01])
def test_shortest_audio_is_classified(classifier, seconds):
    assert np.isfinite(classifier.probabilities(VOICE[5000 : 5000 + round(seconds * RATE)])).all()


def test_silence_is_classified(classifier):
    assert np.isfinite(classifier.probabilities(np.zeros(RATE))).all()


@pytest.mark.parametrize(
    ("audio", "line"),
    [
        (np.zeros(0), "there is no audio"),
        (np.zeros((1, 0)), "there is no audio"),
        (np.float32(1), r"shape \(\); give"),
        (np.zeros((1, 2, 3)), r"shape \(1, 2, 3\); give"),
        (np.zeros((16000, 2)), r"shape \(16000, 2\) has channels; average them"),
        (np.array([[0.1, np.nan]]), "not finite"),
        (np.zeros(100, complex), "type complex128; give"),
    ],
)
def test_unusable_audio_gets_one_line(classifier, audio, line):
    with pytest.raises(ValueError, match=line) as error:
        classifier.probabilities(audio)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate", [0, -8000, float("nan"), float("inf")])
def test_impossible_rate_is_refused(classifier, rate):
    with pytest.raises(ValueError, match=r"sample_rate is .*; give it in Hz"):
        classifier.probabilities(VOICE, rate)


def make_foreign_model() -> bytes:
    """A whole ONNX file that nobody exported here."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "foreign", values[:1], values[1:])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


@pytest.mark.fault("unusable model file")
@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda whole: b"", "cannot load it"),
        (lambda whole: b"just text, no graph", "cannot load it"),
        (lambda whole: whole[: len(whole) // 2], "cannot load it"),
        (lambda whole: make_foreign_model(), "its metadata lacks labels, sample_rate, max_seconds"),
    ],
    ids=["empty", "text", "truncated", "foreign"],
)
def test_unusable_model_gets_one_line(model, tmp_path, damage, line):
    (tmp_path / "bad.onnx").write_bytes(damage(model.read_bytes()))
    with pytest.raises(ValueError, match=rf"bad\.onnx: .*{line}") as error:
        EmotionClassifier(tmp_path / "bad.onnx")
    assert "\n" not in str(error.value)


@pytest.mark.fault("metadata of a wrong type")
@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("labels", "7", "its metadata lacks labels"),
        ("labels", "[1, 2, 3, 4]", "its metadata lacks labels"),
        ("labels", '["a"', "its metadata lacks labels"),
        ("labels", '["a", "b"]', "does not give one probability for each label"),
        ("sample_rate", "8000", "its metadata lacks sample_rate"),
        ("max_seconds", "NaN", "its metadata lacks max_seconds"),
        ("max_seconds", "-1", "its metadata lacks max_seconds"),
        ("scores", "{{", "its metadata is no JSON"),
    ],
)
def test_metadata_of_a_wrong_type_gets_one_line(model, tmp_path, name, text, line):
    proto = onnx.load(model)
    helper.set_model_props(proto, {entry.key: entry.value for entry in proto.metadata_props} | {name: text})
    onnx.save(proto, tmp_path / "bad.onnx")
    with pytest.raises(ValueError, match=rf"bad\.onnx: {line}.*with sercore\.$") as error:
        EmotionClassifier(tmp_path / "bad.onnx")
    assert "\n" not in str(error.value)


@pytest.mark.fault("weights in another file, there or not")
@pytest.mark.parametrize("there", [True, False])
def test_weights_in_another_file_are_refused(model, tmp_path, there):
    """An app ships one file; and what the other one is, the first decides."""
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 100}
    onnx.save(onnx.load(model), tmp_path / "bad.onnx", **options)
    if not there:
        (tmp_path / "weights.bin").unlink()
    with pytest.raises(ValueError, match=r"bad\.onnx: has weights in another file; export the model with sercore"):
        EmotionClassifier(tmp_path / "bad.onnx")


@pytest.mark.fault("endless Loop in a model")
def test_loop_is_refused_before_it_runs(model, tmp_path):
    """ONNX Runtime would go round this one for ever: no limit, and the condition stays true."""
    proto = onnx.load(model)
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    rounds, go, still = (
        helper.make_tensor_value_info(*row)
        for row in (("round", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("still", TensorProto.BOOL, []))
    )
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["still"])], "body", [rounds, go], [still])
    proto.graph.initializer.append(true)
    proto.graph.node.append(helper.make_node("Loop", ["", "true"], [], body=body))
    onnx.save(proto, tmp_path / "endless.onnx")
    with pytest.raises(ValueError, match=r"endless\.onnx: has a Loop, which may never end; export the model"):
        EmotionClassifier(tmp_path / "endless.onnx")


def test_waveform_that_is_too_long_at_once_is_refused(classifier):
    """Two hours of it took 5 GB."""
    with pytest.raises(ValueError, match=r"audio is longer than 600 s; analyze_voice_note takes any length"):
        classifier.predict(np.zeros(601 * 16_000, np.float32))


@pytest.mark.fault("damaged weights")
def test_weights_that_are_not_finite_are_no_certainty(tmp_path):
    broken = build_classifier("tiny").eval()
    with torch.no_grad():
        broken.classifier.weight[0, 0] = float("nan")
    classifier = EmotionClassifier(export_onnx(broken, tmp_path / "nan.onnx"))
    with pytest.raises(ValueError, match=r"nan\.onnx: its probabilities do not add up to 1; its weights are damaged"):
        classifier.predict(np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32))


def test_missing_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx: no such file"):
        EmotionClassifier(tmp_path / "absent.onnx")


def test_labels_are_read_from_the_file(model, tmp_path):
    proto = onnx.load(model)
    next(entry for entry in proto.metadata_props if entry.key == "labels").value = '["a", "b", "c", "d"]'
    onnx.save(proto, tmp_path / "renamed.onnx")
    assert list(EmotionClassifier(tmp_path / "renamed.onnx").predict(VOICE)) == ["a", "b", "c", "d"]
