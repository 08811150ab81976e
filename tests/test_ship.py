"""What workflow/ship.py makes of finished production runs: a file that loads, its scores, and its card."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import sercore
from sercore.evaluation import bootstrap_scores, score
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.paths import runs_root, write_json
from sercore.training import build_classifier, load_classifier

Y_TRUE = [*EMOTIONS, *EMOTIONS]
WRONG = {"random": 0, "disjoint": 2}  # predictions


@pytest.fixture(scope="module")
def workflow(load_script):
    """workflow/ship.py as a module."""
    return load_script("ship")


@pytest.fixture
def models(monkeypatch, tmp_path):
    """The folder that the models come to lie in."""
    for name in sercore.MODELS:
        monkeypatch.setitem(sercore.MODELS, name, tmp_path / f"models/{name}.onnx")
    return tmp_path / "models"


@pytest.fixture
def runs():
    """Both production runs of the profile demo, as `train` leaves them: two speakers, one utterance of each emotion."""
    found = {}
    for split, wrong in WRONG.items():
        experiment = Experiment.from_profile("demo", split=split)
        found[split] = folder = runs_root() / "demo" / experiment.name
        y_pred = ["neutral"] * wrong + Y_TRUE[wrong:]
        table = pd.DataFrame({"utterance": range(8), "speaker": ["s"] * 4 + ["t"] * 4, "y_true": Y_TRUE})
        build_classifier("tiny").save_pretrained(folder / "model")
        write_json(folder / "experiment.json", asdict(experiment))
        write_json(folder / "environment.json", {"code": "abc123"})
        table.assign(y_pred=y_pred).to_csv(folder / "predictions.csv", index=False)
        pd.DataFrame({"epoch": [1]}).to_csv(folder / "history.csv", index=False)
        tested = {part: score(Y_TRUE, y_pred) for part in ("test", "validation")}
        write_json(folder / "metrics.json", tested | {"best_epoch": 3, "epochs": 7})
    return found


def test_scores_of_a_model_are_those_of_its_twin_that_knows_no_speaker(workflow, runs, models):
    """By hand: of two angry and two happy utterances one each is right, so UA is (1/2 + 1/2 + 1 + 1) / 4."""
    file = workflow.ship("small", "demo", "w8")
    assert file == models / "small.onnx" and {*models.iterdir()} == {file, models / "small.md"}
    metadata = sercore.load("small").metadata
    assert metadata["scheme"] == "w8" and metadata["scores"]["UA"] == metadata["scores"]["WA"] == 0.75
    assert metadata["scores"]["recall_anger"] == 0.5 and "2 held-out speakers" in metadata["scores"]["on"]
    table = bootstrap_scores(pd.read_csv(runs["disjoint"] / "predictions.csv"))
    assert metadata["scores"]["intervals"]["UA"] == pytest.approx(table.loc["UA", ["low", "high"]].tolist(), abs=1e-4)
    assert "transfer" not in metadata["scores"]


def test_card_says_file_scores_and_law(workflow, runs, models):
    workflow.ship("base", "demo", "w8")
    card = (models / "base.md").read_text()
    assert "`base.onnx`: 0.1 MB, 0.1 million parameters, scheme `w8` (8-bit weights" in card
    assert "| UA | 0.750 |" in card and "Of its twin" in card and "which it was not trained on" not in card


def test_transfer_is_said_where_it_was_measured(workflow, runs, models):
    table = bootstrap_scores(pd.read_csv(runs["random"] / "predictions.csv")).rename_axis("score")
    (runs_root() / "demo/tables").mkdir()
    table.to_csv(runs_root() / "demo/tables/transfer.csv")
    workflow.ship("base", "demo", "w8")
    assert sercore.load("base").metadata["scores"]["transfer"]["ravdess"]["UA"] == 1
    assert "On synthetic RAVDESS, which it was not trained on:" in (models / "base.md").read_text()


def test_without_runs_it_says_what_to_train(workflow, models):
    with pytest.raises(FileNotFoundError, match="production-random holds no finished run; train it first"):
        workflow.ship("base", "demo", "w8")


def test_metadata_keeps_what_the_export_wrote(workflow, runs, models):
    metadata = sercore.load(workflow.ship("base", "demo", "fp32").stem).metadata
    assert metadata["labels"] == [*EMOTIONS] and metadata["synthetic"] and "CREMA-D" in metadata["license"]
    assert json.loads(metadata["quantization"])["layers"] == {}


@torch.no_grad()
def test_student_is_kept_in_half_precision_and_computes_the_same(workflow, tmp_path):
    """Weights of float16 are off by a two-thousandth; the spectrogram's tables stay whole."""
    made = build_classifier("student-scratch").eval()
    made.save_pretrained(runs_root() / "open" / "distillation" / "model")
    run = SimpleNamespace(experiment=Experiment(backbone="student"))
    tmp_path.joinpath("models").mkdir()
    workflow.keep_backbone(run, tmp_path / "models")
    assert sum(file.stat().st_size for file in (tmp_path / "models/student").iterdir()) < 6e6
    values = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    kept = load_classifier(tmp_path / "models" / "student")
    torch.testing.assert_close(kept(values).logits, made(values).logits, atol=1e-2, rtol=0)


def test_adapter_is_kept_beside_the_model_on_whispers_weights(workflow, tmp_path):
    (tmp_path / "run/adapter").mkdir(parents=True)
    (tmp_path / "run/adapter/adapter_config.json").write_text("{}")
    run = SimpleNamespace(experiment=Experiment(backbone="whisper-base", adapter_rank=4), path=tmp_path / "run")
    workflow.keep_backbone(run, tmp_path)
    assert (tmp_path / "adapter/adapter_config.json").is_file()
