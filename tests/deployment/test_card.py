"""The model card of a made-up run, read back as the hub reads it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard

from sercore.config import Experiment
from sercore.deployment import write_card
from sercore.deployment.card import LICENSES
from sercore.emotions import EMOTIONS
from sercore.evaluation.metrics import score
from sercore.training import Run

TRUTH = np.repeat(EMOTIONS, 3)
ANSWERS = [*TRUTH[:7], "anger", "anger", *TRUTH[9:11], "neutral"]
SCORES = score(TRUTH, ANSWERS)


def finished(folder: Path, profile: str = "paper", **settings) -> Run:
    """As much of a run as a card tells; `fit` leaves the weights in the same folder."""
    experiment = Experiment.from_profile(profile, **settings)
    path = folder / experiment.name
    (path / "model").mkdir(parents=True)
    metrics = {"test": SCORES, "validation": SCORES, "best_epoch": 3, "epochs": 7}
    return Run(path, experiment, {}, pd.DataFrame(), pd.DataFrame(), metrics)


def card(folder: Path, profile: str = "paper", **settings) -> ModelCard:
    run = finished(folder, profile, **settings)
    write_card(run)
    return ModelCard.load(run.path / "model" / "README.md")


def test_the_card_lies_beside_the_weights_and_nothing_else_does(tmp_path):
    run = finished(tmp_path)
    written = write_card(run)
    assert [file.name for file in (run.path / "model").iterdir()] == ["README.md"]
    assert (run.path / "model" / "README.md").read_text() == str(written)


def test_a_second_card_replaces_the_first(tmp_path):
    run = finished(tmp_path)
    assert str(write_card(run)) == str(write_card(run)) == (run.path / "model" / "README.md").read_text()


def test_the_scores_read_back_as_data(tmp_path):
    data = card(tmp_path).data
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        "WA": round(SCORES["WA"], 4),
        "UA": round(SCORES["UA"], 4),
        "macro F1": round(SCORES["macro_f1"], 4),
    }
    assert {result.task_type for result in data.eval_results} == {data.pipeline_tag} == {"audio-classification"}
    assert data.model_name == "iemocap+cremad-fold1"


def test_the_scores_stand_in_the_text(tmp_path):
    """By hand: WA 9 / 12; recalls 1, 1, 1 / 3 and 2 / 3, so that UA is .75 as well."""
    text = card(tmp_path).text
    assert "- WA: 0.750\n- UA: 0.750\n" in text and f"- macro F1: {SCORES['macro_f1']:.3f}" in text
    assert "- recall of neutral: 0.333\n- recall of sadness: 0.667" in text


@pytest.mark.parametrize(
    ("settings", "held"),
    [
        ({"fold": 4}, "held out: session 4, whose speakers are in no other part"),
        ({"split": "random"}, "held out: 5 % of the utterances at random; their speakers are in the training part too"),
        ({"split": "disjoint"}, "held out: whole speakers, about 5 % of them, whom training has not heard"),
    ],
)
def test_what_was_held_out_is_said(tmp_path, settings, held):
    found = card(tmp_path, **settings)
    assert held in found.text
    part = {"fold": "loso, fold4", "random": "random, production-random", "disjoint": "disjoint, production-disjoint"}
    assert {result.dataset_split for result in found.data.eval_results} == {part[settings.get("split", "fold")]}


@pytest.mark.parametrize(
    ("settings", "corpora"),
    [
        ({"profile": "paper"}, ["iemocap", "cremad"]),
        ({"profile": "paper", "permanent": ""}, ["iemocap"]),
        ({"profile": "open"}, ["ravdess", "cremad"]),
        ({"profile": "open", "split": "random"}, ["cremad"]),
    ],
)
def test_the_terms_are_those_of_the_corpora_trained_on(tmp_path, settings, corpora):
    terms = card(tmp_path, **settings).text.split("## Terms")[1]
    assert {corpus for corpus, line in LICENSES.items() if f"- {line}" in terms} == set(corpora)


def test_every_corpus_has_terms_and_no_license_is_claimed_for_all(tmp_path):
    assert set(LICENSES) == {"iemocap", "cremad", "ravdess"}
    assert card(tmp_path).data.license == "other"


def test_synthetic_corpora_are_called_synthetic(tmp_path):
    found = card(tmp_path, "demo")
    names = "synthetic IEMOCAP + synthetic CREMA-D"
    assert f"**Trained on generated voices ({names}); what they teach holds for no real one.**" in found.text
    assert f"- corpora: {names}\n" in found.text
    assert {(result.dataset_type, result.dataset_name) for result in found.data.eval_results} == {("synthetic", names)}


@pytest.mark.parametrize("profile", ["paper", "open"])
def test_a_real_corpus_is_not_called_synthetic(tmp_path, profile):
    found = card(tmp_path, profile)
    assert "synthetic" not in str(found).lower()
    assert {result.dataset_type for result in found.data.eval_results} == {"measured here"}


def test_a_real_corpus_beside_a_synthetic_one_is_told_apart(tmp_path):
    text = card(tmp_path, cremad_root="synthetic").text
    assert "- corpora: IEMOCAP + synthetic CREMA-D" in text
    assert "**Trained on generated voices (synthetic CREMA-D);" in text


def test_what_repeats_the_training_is_said(tmp_path):
    text = card(tmp_path, seed=5, max_seconds=6.5).text
    assert "(16 kHz, mono, up to 6.5 s) as anger, happiness, neutral, sadness." in text
    assert "- backbone: `ntu-spml/distilhubert`, 7 epochs, the best 3; seed 5\n" in text
