"""The exported file computes what training computes, each row by itself, and says what it is."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import ASTConfig, ASTForAudioClassification

from sercore import paths
from sercore.audio_files import read_audio
from sercore.data import CORPORA, Collator, preprocess
from sercore.export import export_onnx
from sercore.labels import EMOTIONS
from sercore.training import build_classifier, load_classifier
from sercore.training.log_mel_classifier import NOTICE

TOLERANCE = 1e-5  # of probabilities
RATE = 16_000  # Hz
BOTH = ("tiny", "group", "whisper", "student")
CASES = [("small", "longest"), *((name, length) for name in BOTH for length in ("longest", "fixed"))]


@pytest.fixture(scope="module")
def sounds(voice) -> dict[str, np.ndarray]:
    short = voice(1.5)
    return {
        "0.5 s": voice(0.5),
        "2 s": voice(2, "sadness"),
        "20 s": voice(20, "happiness"),
        "silence": np.zeros(RATE, np.float32),
        "almost silence": 1e-4 * voice(1),
        "too faint to trim": 1e-6 * voice(1),
        "breaks off into zeros": np.concatenate([short[: len(short) // 2], np.zeros(3000, np.float32)]),
        "starts and ends loud": voice(1)[8000:-8000],
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory, random_model):
    """Model, file and session of a backbone and a length policy, each exported once."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def get(name: str, length: str):
        if (name, length) not in made:
            model = random_model(name)
            file = export_onnx(model, folder / f"{name}-{length}.onnx", length)
            made[name, length] = model, file, onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        return made[name, length]

    return get


def by_training(model, length: str, *waveforms: np.ndarray, max_seconds: float = 8.0) -> np.ndarray:
    """Probabilities (waveforms, labels) by the chain of training."""
    items = [{"input_values": preprocess(waveform), "labels": 0} for waveform in waveforms]
    batch = Collator(length, max_seconds)(items)
    with torch.inference_mode():
        return model(batch["input_values"], attention_mask=batch.get("attention_mask")).logits.softmax(-1).numpy()


def by_file(session, *waveforms: np.ndarray) -> np.ndarray:
    """Probabilities (waveforms, labels) by the file, shorter waveforms filled up with zeros."""
    batch = np.zeros((len(waveforms), max(map(len, waveforms))), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return session.run(["probabilities"], {"waveform": batch})[0]


def metadata(file: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


@pytest.mark.parametrize(("name", "length"), CASES)
def test_every_sound_is_processed_as_in_training(exported, sounds, name, length):
    model, _, session = exported(name, length)
    for sound, waveform in sounds.items():
        expected = by_training(model, length, waveform)
        np.testing.assert_allclose(by_file(session, waveform), expected, rtol=0, atol=TOLERANCE, err_msg=sound)


def test_real_speech_is_processed_as_in_training(exported, real_ravdess):
    model, _, session = exported("small", "longest")
    for waveform in map(read_audio, sorted((real_ravdess / "Actor_01").iterdir())[:3]):
        expected = by_training(model, "longest", waveform)
        np.testing.assert_allclose(by_file(session, waveform), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["tiny", "whisper", "student"])
def test_predictions_differ_between_sounds(exported, sounds, name):
    """Else agreement on them would prove nothing."""
    session = exported(name, "longest")[2]
    found = np.concatenate([by_file(session, sounds[sound]) for sound in ("0.5 s", "2 s", "20 s")])
    assert np.ptp(found, axis=0).max() > 100 * TOLERANCE


def test_whisper_is_exported_as_it_was_trained(whisper, sounds, tmp_path):
    file = export_onnx(whisper, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    rows = [sounds["0.5 s"], sounds["2 s"], sounds["20 s"]]
    expected = np.concatenate([by_training(whisper, "longest", row) for row in rows])
    np.testing.assert_allclose(by_file(session, *rows), expected, rtol=0, atol=TOLERANCE)
    assert metadata(file)["notice"] == NOTICE


@pytest.mark.parametrize(("name", "length"), CASES)
def test_each_row_of_a_batch_gives_what_it_gives_alone(exported, sounds, name, length):
    session = exported(name, length)[2]
    rows = [sounds[sound] for sound in ("0.5 s", "2 s", "almost silence", "starts and ends loud")]
    alone = np.concatenate([by_file(session, row) for row in rows])
    np.testing.assert_allclose(by_file(session, *rows), alone, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["tiny", "whisper", "student"])
def test_row_of_silence_harms_no_other(exported, sounds, name):
    session = exported(name, "longest")[2]
    found = by_file(session, sounds["2 s"], sounds["silence"])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:1], by_file(session, sounds["2 s"]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["small", "whisper", "student"])
@pytest.mark.parametrize("samples", [1, 160, 1600])
def test_what_is_shorter_than_a_frame_is_filled_up(exported, voice, samples, name):
    """The first frame of the small backbones spans 1888 samples, of a spectrogram 400."""
    found = by_file(exported(name, "longest")[2], voice(1)[8000 : 8000 + samples])
    assert found.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("name", "length"), CASES)
def test_file_can_be_read_by_old_runtimes(exported, name, length):
    proto = onnx.load(exported(name, length)[1])
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 17)] and proto.ir_version == 8
    assert not any(node.domain for node in proto.graph.node)
    assert [axis.dim_param for axis in proto.graph.input[0].type.tensor_type.shape.dim] == ["batch", "samples"]


def test_file_names_no_path_of_the_machine_that_wrote_it(exported):
    content = exported("tiny", "longest")[1].read_bytes()
    for folder in (paths.PROJECT, Path(torch.__file__).parents[1], Path.home()):
        assert str(folder).encode() not in content


def test_same_model_gives_the_same_bytes_and_stays_as_it_is(exported, random_model, tmp_path):
    model = random_model("tiny").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    file = export_onnx(model, tmp_path / "again.onnx")
    assert file.read_bytes() == exported("tiny", "longest")[1].read_bytes()
    assert model.training and all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_file_of_a_run_says_all_about_it(finished, tmp_path):
    facts = metadata(export_onnx(finished(max_seconds=3.0, length="fixed"), tmp_path / "model.onnx"))
    assert json.loads(facts["labels"]) == list(EMOTIONS)
    assert (facts["sample_rate"], facts["length"], facts["max_seconds"]) == ("16000", "fixed", "3.0")
    assert (facts["scheme"], facts["synthetic"], facts["code"], facts["backbone"]) == ("fp32", "true", "abc123", "tiny")
    assert json.loads(facts["corpora"]) == ["iemocap", "cremad"]
    assert facts["license"].splitlines() == [CORPORA["iemocap"].license, CORPORA["cremad"].license]
    assert json.loads(facts["scores"])["WA"] == 0.3333
    assert json.loads(facts["scores"])["on"].startswith("6 held-out utterances of iemocap+cremad-fold1")
    assert facts["parameters"] == str(build_classifier("tiny").num_parameters())
    assert "20 dB" in facts["preprocessing"] and "zeros up to max_seconds" in facts["preprocessing"]


def test_file_of_a_model_claims_no_corpora_and_no_scores(exported):
    facts = metadata(exported("tiny", "longest")[1])
    assert (facts["corpora"], facts["scores"], facts["license"], facts["max_seconds"]) == ("[]", "{}", "", "8.0")


def test_run_is_exported_as_it_was_trained(finished, sounds, tmp_path):
    run = finished(max_seconds=1.0, length="fixed")
    session = onnxruntime.InferenceSession(export_onnx(run, tmp_path / "model.onnx"))
    expected = by_training(load_classifier(run.path / "model"), "fixed", sounds["2 s"], max_seconds=1.0)
    np.testing.assert_allclose(by_file(session, sounds["2 s"]), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("other", [{"length": "longest"}, {"max_seconds": 8.0}])
def test_run_is_not_exported_otherwise(finished, tmp_path, other):
    with pytest.raises(ValueError, match="was trained with length 'fixed', 3 s; leave both out"):
        export_onnx(finished(max_seconds=3.0, length="fixed"), tmp_path / "model.onnx", **other)


def test_mistakes_are_named_in_one_line(finished, random_model, tmp_path):
    file, run = tmp_path / "model.onnx", finished()
    with pytest.raises(ValueError, match="length is 'shortest'; choose one of 'longest', 'fixed'"):
        export_onnx(random_model("tiny"), file, "shortest")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    with pytest.raises(ValueError, match="has no feature encoder; export a HuBERT or a LogMelClassifier"):
        export_onnx(ASTForAudioClassification(ASTConfig(**sizes)), file)
    with pytest.raises(ValueError, match="predicts dimensions; a file gives probabilities of emotions"):
        export_onnx(finished(task="dimensional"), file)
    (run.path / "model").rename(run.path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="model: no such folder, the run has no weights; train it again"):
        export_onnx(run, file)
    assert not file.exists()


@pytest.mark.fault("full disk")
def test_write_that_fails_leaves_the_old_file_and_nothing_else(random_model, tmp_path, monkeypatch):
    def save_half(proto, part):
        Path(part).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    file = tmp_path / "model.onnx"
    file.write_bytes(b"old")
    monkeypatch.setattr(onnx, "save", save_half)
    with pytest.raises(OSError, match=r"cannot write .*model.onnx: No space left"):
        export_onnx(random_model("tiny"), file)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"] and file.read_bytes() == b"old"
