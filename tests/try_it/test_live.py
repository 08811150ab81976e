"""What workflow/live.py puts beside the page "Try it", and what the page is before that."""

import json
import re
from dataclasses import asdict

import onnx
import pytest
import torch

import sercore
from sercore.export import export_onnx
from sercore.paths import PROJECT
from sercore.runtime import EmotionClassifier, VoiceNoteSettings, analyze_voice_note
from sercore.training import build_classifier

PAGE, STATIC = PROJECT / "book/try_it.md", PROJECT / "book/_static/try_it"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """One that takes six seconds at once."""
    torch.manual_seed(0)
    return export_onnx(build_classifier("tiny").eval(), tmp_path_factory.mktemp("model") / "m.onnx", max_seconds=6.0)


@pytest.fixture
def fetched(workflow, monkeypatch, tmp_path):
    """Stand-ins for the two files of onnxruntime-web, so that no network is needed."""
    files = [tmp_path / workflow.MODULE, tmp_path / workflow.BINARY]
    for file in files:
        file.write_bytes(b"runtime")
    monkeypatch.setattr(workflow, "find_runtime", lambda: files)


def test_everything_the_page_fetches_is_in_its_folder(workflow, model, fetched, tmp_path):
    settings = workflow.fill_folder([model], tmp_path / "try_it")
    assert settings == json.loads((tmp_path / "try_it/settings.json").read_text())
    named = {settings["models"][0]["file"], settings["detector"], settings["example"], *settings["bytes"]}
    named |= {settings["runtime"]["module"], settings["runtime"]["binary"]}
    assert settings["ready"] and named | {"settings.json"} == {file.name for file in (tmp_path / "try_it").iterdir()}
    sizes = settings["bytes"] | {model["file"]: model["bytes"] for model in settings["models"]}
    assert all((tmp_path / "try_it" / name).stat().st_size == size for name, size in sizes.items())


def test_settings_and_labels_are_those_of_python(workflow, model):
    described = workflow.describe_model(model)
    assert described["voice_note"] == asdict(VoiceNoteSettings(window=6.0)), "no longer than what the model takes"
    assert described["labels"] == list(EmotionClassifier(model).labels)


def test_without_npm_the_book_is_built_and_the_page_says_why(workflow, model, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = workflow.fill_folder([model], tmp_path / "try_it")
    assert not settings["ready"] and "npm is not installed" in settings["reason"] and "make book" in settings["reason"]
    assert [file.name for file in (tmp_path / "try_it").iterdir()] == ["settings.json"]


def test_without_a_network_the_page_says_so(workflow, model, monkeypatch, tmp_path):
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    reason = workflow.fill_folder([model], tmp_path / "try_it")["reason"]
    assert f"npm could not fetch onnxruntime-web {workflow.WEB}" in reason and str(tmp_path) not in reason


@pytest.fixture
def shipped(model, monkeypatch, tmp_path):
    """Two models that ship, the larger first."""
    proto, files = onnx.load(model), {}
    for name, ballast in {"base": "x" * 1000, "small": ""}.items():
        scores = {"UA": 0.8266, "recall_anger": 0.85, "on": "980 utterances of 19 held-out speakers"}
        texts = {entry.key: entry.value for entry in proto.metadata_props}
        onnx.helper.set_model_props(proto, texts | {"scores": json.dumps(scores), "ballast": ballast})
        files[name] = tmp_path / f"{name}.onnx"
        onnx.save(proto, files[name])
        monkeypatch.setitem(sercore.MODELS, name, files[name])
    return files


@pytest.mark.parametrize(
    ("profile", "chosen"), [("open", ["small", "base"]), ("paper", ["small", "base"]), ("demo", ["own"])]
)
def test_books_of_real_speech_get_the_models_that_ship(profile, chosen, workflow, shipped, monkeypatch):
    monkeypatch.setenv("SERCORE_PROFILE", profile)
    assert [file.stem for file in workflow.choose_models("own.onnx")] == chosen


def test_without_shipped_models_the_run_has_its_own(workflow, shipped, monkeypatch):
    monkeypatch.setenv("SERCORE_PROFILE", "open")
    shipped["base"].unlink()
    assert workflow.choose_models("own.onnx") == [shipped["small"]]
    shipped["small"].unlink()
    assert [file.name for file in workflow.choose_models("own.onnx")] == ["own.onnx"]


def test_a_model_is_named_with_size_scheme_and_ua(workflow, shipped, model):
    size = shipped["small"].stat().st_size / 1e6
    expected = f"Model small: {size:.1f} MB, scheme fp32, UA 0.827 on 980 utterances of 19 held-out speakers."
    assert workflow.describe_model(shipped["small"])["summary"] == expected
    assert workflow.describe_model(shipped["small"])["rates"] == {"anger": 0.85}
    assert workflow.describe_model(model)["rates"] == {}
    assert workflow.describe_model(model)["summary"] == f"Model m: {model.stat().st_size / 1e6:.1f} MB, scheme fp32."


@pytest.mark.parametrize(
    ("corpora", "synthetic", "kind", "words"),
    [
        ([], False, "demo", "has not been trained"),
        (["iemocap", "cremad"], True, "demo", "synthetic voices"),
        (["ravdess", "cremad"], False, "open", "RAVDESS + CREMA-D"),
        (["iemocap"], False, "paper", "IEMOCAP"),
    ],
)
def test_banner_says_what_predictions_are_worth(corpora, synthetic, kind, words, workflow):
    banner = workflow.write_banner({"corpora": corpora, "synthetic": synthetic})
    assert banner["kind"] == kind and words in banner["text"]
    assert ("mean nothing" in banner["text"]) == (kind == "demo")


def test_a_file_that_is_no_model_stops_the_build(workflow, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx"):
        workflow.fill_folder([tmp_path / "absent.onnx"], tmp_path / "try_it")


def test_the_example_is_synthetic_speech_in_several_passages(workflow, model):
    """Two of three stretches fit into a window, and one takes two."""
    note = analyze_voice_note(
        workflow.speak_example(), EmotionClassifier(model), settings=VoiceNoteSettings(window=6.0)
    )
    assert len(note.windows) >= 4 and 0.5 < note.speech_seconds / note.seconds < 0.9


def test_the_page_as_committed_has_no_model_and_says_so():
    settings = json.loads((STATIC / "settings.json").read_text())
    assert not settings["ready"] and "make book" in settings["reason"]
    assert not list(STATIC.glob("*.onnx")) and not list(STATIC.glob("*.wasm"))


def test_the_page_allows_no_other_address():
    policy = re.search(r'Content-Security-Policy": "(.*)"', PAGE.read_text())[1]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "http" not in policy
    outside = [
        file.name for file in STATIC.iterdir() if re.search(r"https?://(?!www\.w3\.org/2000/svg)", file.read_text())
    ]
    assert not outside


def test_every_part_that_the_scripts_name_is_in_the_page():
    scripts = "".join(file.read_text() for file in STATIC.glob("*.js"))
    named = set(re.findall(r'find\("([\w-]+)"\)', scripts))
    assert named and named <= set(re.findall(r'data-part="([\w-]+)"', PAGE.read_text()))
