"""The exported file hears what training hears, each row by itself, and says what it is."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from transformers import ASTConfig, ASTForAudioClassification, HubertConfig, HubertForSequenceClassification

from sercore import paths
from sercore.config import Experiment
from sercore.data import Collator, preprocess, read_audio
from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment.card import LICENSES
from sercore.deployment.export import export_onnx
from sercore.emotions import EMOTIONS
from sercore.evaluation.metrics import score
from sercore.training import Run, build_classifier
from sercore.training.model import SETTINGS, TINY

TOLERANCE = 1e-4  # of probabilities; what the project asks of its files
RATE = 16_000  # Hz
GROUP = TINY | {"feat_extract_norm": "group", "do_stable_layer_norm": False}  # DistilHuBERT's norm in a small geometry


def spoken(seconds: float, emotion: str = "anger", ends: float = 0.3) -> np.ndarray:
    """A synthetic voice between two ends in which only the room is heard."""
    rng = np.random.default_rng(round(100 * seconds))
    voice = speak(draw_voice("female", rng), express(emotion, 1.0), seconds, RATE, rng)
    room = 1e-3 * rng.normal(size=(2, round(ends * RATE)))
    return np.concatenate([room[0], voice, room[1]]).astype(np.float32)


def cut_short(waveform: np.ndarray) -> np.ndarray:
    """Speech that breaks off into digital silence."""
    return np.concatenate([waveform[: len(waveform) // 2], np.zeros(3000, np.float32)])


SOUNDS = {
    "0.5 s": spoken(0.5),
    "2 s": spoken(2, "sadness"),
    "8 s": spoken(8, "happiness"),
    "20 s": spoken(20),
    "silence": np.zeros(RATE, np.float32),
    "almost silence": 1e-4 * spoken(1),
    "too faint to trim": 1e-6 * spoken(1),
    "breaks off": cut_short(spoken(1.5)),
    "starts and ends loud": spoken(1, ends=0)[4000:-4000],
}


def random_model(name: str):
    """Random weights, the last ones so large that answers differ from sound to sound."""
    torch.manual_seed(0)
    model = HubertForSequenceClassification(HubertConfig(**GROUP, **SETTINGS)) if name == "group" else build_classifier(name)
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    return model.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Model, file and ONNX Runtime session of a backbone and a length policy, each exported once."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def get(name: str, length: str):
        if (name, length) not in made:
            model = random_model(name)
            file = export_onnx(model, folder / f"{name}-{length}.onnx", length)
            made[name, length] = model, file, onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        return made[name, length]

    return get


def as_trained(model, length: str, *waveforms: np.ndarray) -> np.ndarray:
    """Probabilities (waveforms, 4) by the chain of training."""
    batch = Collator(length, 8.0)([{"input_values": preprocess(waveform), "labels": 0} for waveform in waveforms])
    with torch.inference_mode():
        return model(batch["input_values"], attention_mask=batch.get("attention_mask")).logits.softmax(-1).numpy()


def as_exported(session, *waveforms: np.ndarray) -> np.ndarray:
    """Probabilities (waveforms, 4) by the file, shorter waveforms filled up with zeros."""
    batch = np.zeros((len(waveforms), max(map(len, waveforms))), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return session.run(["probabilities"], {"waveform": batch})[0]


CASES = [("tiny", "longest"), ("tiny", "fixed"), ("small", "longest"), ("group", "longest"), ("group", "fixed")]


@pytest.mark.parametrize(("name", "length"), CASES)
def test_every_sound_is_heard_as_in_training(exported, name, length):
    model, _, session = exported(name, length)
    for sound, waveform in SOUNDS.items():
        found, expected = as_exported(session, waveform), as_trained(model, length, waveform)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=sound)


def test_distilhubert_is_heard_as_in_training(exported):
    model, _, session = exported("distilhubert-scratch", "fixed")
    waveform = SOUNDS["2 s"]
    np.testing.assert_allclose(
        as_exported(session, waveform), as_trained(model, "fixed", waveform), rtol=0, atol=TOLERANCE
    )


def test_real_speech_is_heard_as_in_training(exported, real_ravdess):
    model, _, session = exported("small", "longest")
    for file in sorted((real_ravdess / "Actor_01").iterdir())[:3]:
        waveform = read_audio(file)
        found, expected = as_exported(session, waveform), as_trained(model, "longest", waveform)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=file.name)


def test_sounds_are_told_apart(exported):
    """Else agreement on them would prove nothing."""
    _, _, session = exported("tiny", "longest")
    answers = np.concatenate([as_exported(session, SOUNDS[sound]) for sound in ("0.5 s", "2 s", "8 s", "silence")])
    assert np.ptp(answers, axis=0).max() > 100 * TOLERANCE


@pytest.mark.parametrize(("name", "length"), CASES)
def test_each_row_of_a_batch_gives_what_it_gives_alone(exported, name, length):
    _, _, session = exported(name, length)
    waveforms = [SOUNDS[sound] for sound in ("0.5 s", "2 s", "almost silence", "starts and ends loud")]
    alone = np.concatenate([as_exported(session, waveform) for waveform in waveforms])
    np.testing.assert_allclose(as_exported(session, *waveforms), alone, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("length", ["longest", "fixed"])
def test_a_batch_is_what_the_training_collator_makes_of_it(exported, length):
    """With layer norm; with group norm over time, training lets the longest utterance of a batch change the others."""
    model, _, session = exported("tiny", length)
    waveforms = [SOUNDS[sound] for sound in ("2 s", "0.5 s", "20 s", "starts and ends loud")]
    expected = as_trained(model, length, *waveforms)
    np.testing.assert_allclose(as_exported(session, *waveforms), expected, rtol=0, atol=TOLERANCE)


def test_a_row_of_silence_keeps_its_padding_and_harms_no_other(exported):
    _, _, session = exported("tiny", "longest")
    found = as_exported(session, SOUNDS["2 s"], SOUNDS["silence"])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:1], as_exported(session, SOUNDS["2 s"]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("samples", [1, 160, 1600])
def test_what_is_shorter_than_a_frame_is_filled_up(exported, samples):
    """The small backbones' first frame hears 1888 samples, more than the 0.1 s to which training fills up."""
    found = as_exported(exported("small", "longest")[2], spoken(1)[8000 : 8000 + samples])
    assert np.isfinite(found).all() and found.sum() == pytest.approx(1, abs=1e-5)


def test_logits_and_probabilities_belong_together(exported):
    _, _, session = exported("tiny", "longest")
    logits, probabilities = session.run(["logits", "probabilities"], {"waveform": SOUNDS["2 s"][None]})
    np.testing.assert_allclose(torch.from_numpy(logits).softmax(-1), probabilities, atol=1e-6)


@pytest.mark.parametrize(("name", "length"), CASES)
def test_file_can_be_read_by_old_runtimes(exported, name, length):
    proto = onnx.load(exported(name, length)[1])
    onnx.checker.check_model(proto, full_check=True)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 17)] and proto.ir_version == 8
    assert not any(node.domain for node in proto.graph.node)
    assert [axis.dim_param for axis in proto.graph.input[0].type.tensor_type.shape.dim] == ["batch", "samples"]


def test_file_names_no_path_of_the_machine_that_wrote_it(exported):
    content = exported("tiny", "longest")[1].read_bytes()
    for folder in (paths.PROJECT, Path(torch.__file__).parents[1], Path.home()):
        assert str(folder).encode() not in content


def test_weights_are_all_that_is_large(exported):
    model, file, _ = exported("tiny", "fixed")
    assert file.stat().st_size < 4 * model.num_parameters() + 60_000


def test_same_model_gives_the_same_bytes(exported, tmp_path):
    model, file, _ = exported("tiny", "longest")
    assert export_onnx(model, tmp_path / "again.onnx").read_bytes() == file.read_bytes()


def test_model_stays_as_it_is(tmp_path):
    model = random_model("group").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx")
    after = model.state_dict()
    assert model.training and before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model(torch.zeros(1, RATE)).logits.shape == (1, 4)


@pytest.fixture
def run(tmp_path) -> Run:
    """A run as `fit` leaves it: six test utterances, three errors."""
    truth, answers = ["anger", "anger", "happiness", "neutral", "sadness", "sadness"], [*EMOTIONS, "sadness", "sadness"]
    build_classifier("tiny").save_pretrained(tmp_path / "run" / "model")
    table = pd.DataFrame({"utterance": list("abcdef"), "speaker": "s", "truth": truth, "predicted": answers})
    metrics = {part: score(truth, answers) for part in ("test", "validation")} | {"best_epoch": 2, "epochs": 3}
    experiment = Experiment.from_profile("demo", max_seconds=3.0, length="fixed")
    return Run(tmp_path / "run", experiment, {"code": "abc123"}, pd.DataFrame({"epoch": [1]}), table, metrics)


def metadata(file: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(file).metadata_props}


def test_file_of_a_run_says_all_about_it(run, tmp_path):
    told = metadata(export_onnx(run, tmp_path / "model.onnx"))
    assert json.loads(told["labels"]) == list(EMOTIONS)
    assert (told["sample_rate"], told["length"], told["max_seconds"]) == ("16000", "fixed", "3.0")
    assert (told["scheme"], told["synthetic"], told["code"], told["backbone"]) == ("fp32", "true", "abc123", "tiny")
    assert json.loads(told["corpora"]) == ["iemocap", "cremad"]
    assert told["license"].splitlines() == [LICENSES["iemocap"], LICENSES["cremad"]]
    assert json.loads(told["scores"])["WA"] == 0.5
    assert json.loads(told["scores"])["on"].startswith("6 held-out utterances of iemocap+cremad-fold1")
    assert told["parameters"] == str(build_classifier("tiny").num_parameters())
    assert "20 dB" in told["preprocessing"] and "zeros up to max_seconds" in told["preprocessing"] and told["sercore"]


def test_file_of_a_model_claims_no_corpora_and_no_scores(exported):
    told = metadata(exported("tiny", "longest")[1])
    assert (told["corpora"], told["scores"], told["license"], told["max_seconds"]) == ("[]", "{}", "", "8.0")


def test_a_run_is_exported_as_it_was_trained(run, tmp_path):
    """With its own length policy: fixed, 3 s."""
    session = onnxruntime.InferenceSession(export_onnx(run, tmp_path / "model.onnx"))
    waveform, model = SOUNDS["2 s"], build_classifier("tiny").from_pretrained(run.path / "model").eval()
    batch = Collator("fixed", 3.0)([{"input_values": preprocess(waveform), "labels": 0}])
    with torch.inference_mode():
        expected = model(batch["input_values"]).logits
    np.testing.assert_allclose(session.run(["logits"], {"waveform": waveform[None]})[0], expected, atol=TOLERANCE)


@pytest.mark.parametrize("asked", [{"length": "longest"}, {"max_seconds": 8.0}])
def test_a_run_is_not_exported_otherwise(run, tmp_path, asked):
    with pytest.raises(ValueError, match="was trained with length 'fixed', 3 s; leave both out"):
        export_onnx(run, tmp_path / "model.onnx", **asked)


def test_unknown_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="length is 'shortest'; choose one of 'longest', 'fixed'"):
        export_onnx(random_model("tiny"), tmp_path / "model.onnx", "shortest")


def test_model_of_spectrograms_is_refused(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    with pytest.raises(ValueError, match="has no convolutional feature encoder"):
        export_onnx(ASTForAudioClassification(ASTConfig(**sizes)), tmp_path / "model.onnx")


def test_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def full(proto, part):
        Path(part).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    file = tmp_path / "model.onnx"
    file.write_bytes(b"old")
    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(OSError, match="cannot write .*model.onnx: .*No space left") as error:
        export_onnx(random_model("tiny"), file)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"] and file.read_bytes() == b"old"
