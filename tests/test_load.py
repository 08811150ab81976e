"""The models that ship: `sercore.load` and `sercore predict` without a name. A model of random weights stands in."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

import sercore
from sercore.cli import main
from sercore.data import load_corpus, production_split
from sercore.export import export_onnx
from sercore.labels import EMOTIONS
from sercore.runtime import EmotionClassifier
from sercore.training import build_classifier

TOLERANCE = 1e-3  # of probabilities; printed ones have six digits
EACH = 10  # utterances of an emotion
SMALL, LARGE = 3e6, 12e6  # bytes


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """In place of both models."""
    torch.manual_seed(0)
    file = export_onnx(build_classifier("tiny").eval(), tmp_path / "model.onnx")
    for name in sercore.MODELS:
        monkeypatch.setitem(sercore.MODELS, name, file)
    return file


@pytest.fixture
def voice(tmp_path):
    soundfile.write(tmp_path / "voice.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    return tmp_path / "voice.wav"


@pytest.mark.parametrize("name", sercore.MODELS)
def test_a_model_is_one_line(stand_in, voice, name):
    assert sercore.load(name).predict(voice) == EmotionClassifier(stand_in).predict(voice)


def test_base_needs_no_name(stand_in, voice, monkeypatch, capsys):
    monkeypatch.delitem(sercore.MODELS, "small")
    assert sercore.load().predict(voice) == EmotionClassifier(stand_in).predict(voice)
    assert main(["predict", str(voice), "--json", "--no-vad"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(voice)


def test_unknown_name_is_refused_with_the_good_ones():
    with pytest.raises(ValueError, match=r"unknown model 'bsae'; choose base or small"):
        sercore.load("bsae")


def test_missing_file_says_how_to_make_it(monkeypatch, tmp_path, voice, capsys):
    monkeypatch.setitem(sercore.MODELS, "base", tmp_path / "base.onnx")
    with pytest.raises(FileNotFoundError, match=r"base\.onnx: no such file; make it .* `make ship`"):
        sercore.load()
    assert main(["predict", str(voice)]) == 2
    assert "make ship" in capsys.readouterr().err


def test_importing_the_package_loads_nothing_heavy():
    script = "import sercore, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "onnxruntime", "soundfile", "torch", "typer"} & {*loaded}


@pytest.fixture(params=sercore.MODELS)
def shipped(request):
    """A model that ships, or skip: a checkout may be without."""
    if not sercore.MODELS[request.param].is_file():
        pytest.skip(f"sercore/models/{request.param}.onnx is not there; `make ship` makes it")
    return request.param


def test_shipped_file_says_what_it_is(shipped):
    metadata, file = sercore.load(shipped).metadata, sercore.MODELS[shipped]
    assert file.stat().st_size < {"small": SMALL, "base": LARGE}[shipped]
    assert metadata["labels"] == [*EMOTIONS] and not metadata["synthetic"] and "CREMA-D" in metadata["license"]
    for name in ("UA", "WA", *(f"recall_{emotion}" for emotion in EMOTIONS)):
        low, high = metadata["scores"]["intervals"][name]
        assert low <= metadata["scores"][name] <= high
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    assert f"| UA | {metadata['scores']['UA']:.3f} |" in card and "2024/1689" in card


def test_command_predicts_held_out_utterances_as_the_shipped_file_does(shipped, real_cremad, capsys):
    test = production_split(load_corpus("cremad", real_cremad)).test  # the profile open's
    files = test.groupby("emotion").head(EACH)["path"].tolist()
    assert len(files) == EACH * len(EMOTIONS)
    assert main(["predict", *files, "--model", shipped, "--json", "--no-vad"]) == 0
    classifier = sercore.load(shipped)
    for file, line in zip(files, capsys.readouterr().out.splitlines(), strict=True):
        assert json.loads(line)["probabilities"] == pytest.approx(classifier.predict(file), abs=TOLERANCE)
