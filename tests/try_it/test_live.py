"""What workflow/live.py puts beside the page "Try it", and what the page is before that."""

import json
import re
from dataclasses import asdict

import numpy as np
import onnxruntime
import pytest
import torch

from sercore.deployment import Rules, analyze_voice_note, export_onnx
from sercore.deployment.classifier import EmotionClassifier
from sercore.deployment.vad import packaged
from sercore.paths import PROJECT
from sercore.training import build_classifier

PAGE, STATIC = PROJECT / "book/try_it.md", PROJECT / "book/_static/try_it"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """One that hears six seconds at once."""
    torch.manual_seed(0)
    return export_onnx(build_classifier("tiny").eval(), tmp_path_factory.mktemp("model") / "m.onnx", max_seconds=6.0)


@pytest.fixture
def fetched(workflow, monkeypatch, tmp_path):
    """Stand-ins for the two files of onnxruntime-web, so that no network is needed."""
    files = [tmp_path / workflow.MODULE, tmp_path / workflow.BINARY]
    for file in files:
        file.write_bytes(b"runtime")
    monkeypatch.setattr(workflow, "runtime", lambda: files)


def test_everything_the_page_fetches_is_in_its_folder(workflow, model, fetched, tmp_path):
    settings = workflow.live(model, tmp_path / "try_it")
    assert settings == json.loads((tmp_path / "try_it/settings.json").read_text())
    named = {settings["model"]["file"], settings["detector"], settings["example"], *settings["bytes"]}
    named |= {settings["runtime"]["module"], settings["runtime"]["binary"]}
    assert settings["ready"] and named | {"settings.json"} == {file.name for file in (tmp_path / "try_it").iterdir()}
    assert all((tmp_path / "try_it" / name).stat().st_size == size for name, size in settings["bytes"].items())


def test_rules_and_labels_are_those_of_python(workflow, model):
    told = workflow.described(model)
    assert told["rules"] == asdict(Rules(window=6.0)), "a window is no longer than what the model hears"
    assert told["model"]["labels"] == list(EmotionClassifier(model).labels)


def test_both_networks_of_silero_hear_the_same(workflow):
    """Python hears frame by frame, the page many at once (of two exports of one network)."""
    sound = np.random.default_rng(0).normal(0, 0.1, (20, 576)).astype(np.float32)
    sound[1:, :64] = sound[:-1, -64:]
    one = onnxruntime.InferenceSession(packaged())
    many = onnxruntime.InferenceSession(packaged().with_name(workflow.DETECTOR))
    state, found = np.zeros((2, 1, 128), np.float32), []
    for frame in sound:
        probability, state = one.run(None, {"input": frame[None], "state": state, "sr": np.array(16_000)})
        found.append(probability.item())
    nothing = np.zeros((1, 1, 128), np.float32)
    assert many.run(["speech_probs"], {"input": sound, "h": nothing, "c": nothing})[0] == pytest.approx(found, abs=1e-6)


def test_without_npm_the_book_is_built_and_the_page_says_why(workflow, model, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = workflow.live(model, tmp_path / "try_it")
    assert not settings["ready"] and "npm is not installed" in settings["reason"] and "make book" in settings["reason"]
    assert [file.name for file in (tmp_path / "try_it").iterdir()] == ["settings.json"]


def test_without_a_network_the_page_says_so(workflow, model, monkeypatch, tmp_path):
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    reason = workflow.live(model, tmp_path / "try_it")["reason"]
    assert f"npm could not fetch onnxruntime-web {workflow.WEB}" in reason and str(tmp_path) not in reason


@pytest.mark.parametrize(
    ("corpora", "synthetic", "kind", "words"),
    [
        ([], False, "demo", "has not been trained"),
        (["iemocap", "cremad"], True, "demo", "synthetic voices"),
        (["ravdess", "cremad"], False, "open", "RAVDESS and CREMA-D"),
        (["iemocap"], False, "paper", "IEMOCAP"),
    ],
)
def test_the_banner_says_what_answers_are_worth(corpora, synthetic, kind, words, workflow):
    banner = workflow.banner({"corpora": corpora, "synthetic": synthetic, "scheme": "w8"}, 23_000_000)
    assert banner["kind"] == kind and words in banner["text"] and "scheme w8 and has 23.0 MB" in banner["text"]
    assert ("mean nothing" in banner["text"]) == (kind == "demo")


def test_a_file_that_is_no_model_stops_the_build(workflow, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.onnx"):
        workflow.live(tmp_path / "absent.onnx", tmp_path / "try_it")


def test_the_example_is_synthetic_speech_in_several_passages(workflow, model):
    """Two of three stretches fit into a window, and one takes two."""
    note = analyze_voice_note(workflow.example(), EmotionClassifier(model), rules=Rules(window=6.0))
    assert len(note.windows) >= 4 and 0.5 < note.speech_seconds / note.seconds < 0.9


def test_the_page_as_committed_has_no_model_and_says_so():
    settings = json.loads((STATIC / "settings.json").read_text())
    assert not settings["ready"] and "make book" in settings["reason"]
    assert not list(STATIC.glob("*.onnx")) and not list(STATIC.glob("*.wasm"))


def test_the_page_allows_no_other_address():
    policy = re.search(r'Content-Security-Policy": "(.*)"', PAGE.read_text())[1]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "http" not in policy
    outside = [file.name for file in STATIC.iterdir() if re.search(r"https?://(?!www\.w3\.org/2000/svg)", file.read_text())]
    assert not outside


def test_every_part_that_the_scripts_name_is_in_the_page():
    scripts = "".join(file.read_text() for file in STATIC.glob("*.js"))
    named = set(re.findall(r'find\("([\w-]+)"\)', scripts))
    assert named and named <= set(re.findall(r'data-part="([\w-]+)"', PAGE.read_text()))
