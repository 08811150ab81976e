"""The model card of a run, read back as the hub reads it."""

from dataclasses import replace

import pandas as pd
import pytest
from huggingface_hub import ModelCard

from sercore.data import CORPORA
from sercore.evaluation import bootstrap_scores
from sercore.export import write_model_card
from sercore.labels import EMOTIONS
from sercore.training.log_mel_classifier import LogMelConfig


@pytest.fixture
def finished(finished):
    """Its six utterances by two speakers, so that there is somebody to draw."""

    def make(*settings, **named):
        run = finished(*settings, **named)
        return replace(run, predictions=run.predictions.assign(speaker=["s", "t"] * 3))

    return make


def read_card(run) -> ModelCard:
    write_model_card(run)
    return ModelCard.load(run.path / "model" / "README.md")


def test_card_lies_beside_the_weights_and_replaces_itself(finished):
    run = finished()
    weights = {file.name for file in (run.path / "model").iterdir()}
    assert str(write_model_card(run)) == str(write_model_card(run)) == (run.path / "model" / "README.md").read_text()
    assert {file.name for file in (run.path / "model").iterdir()} == weights | {"README.md"}


def test_scores_stand_in_the_text_and_read_back_as_data(finished):
    """By hand: WA 2/6, recalls 1/2, 0, 0, 1/2; anger and sadness F1 .5, so macro F1 .25."""
    card = read_card(finished("paper"))
    shown = dict(line.split(" | ")[:2] for line in card.text.splitlines() if line.startswith("| "))
    expected = {"WA": 0.333, "UA": 0.25, "macro F1": 0.25}
    expected |= {f"recall of {emotion}": recall for emotion, recall in zip(EMOTIONS, (0.5, 0, 0, 0.5), strict=True)}
    assert shown == {"| score": "value"} | {f"| {title}": f"{value:.3f}" for title, value in expected.items()}
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {"WA": 0.3333, "UA": 0.25, "macro F1": 0.25}
    assert card.data.pipeline_tag == "audio-classification" and card.data.license == "other"


def test_each_score_has_the_interval_of_the_speaker_bootstrap(finished):
    run = finished("paper")
    low, high = bootstrap_scores(run.predictions).loc["WA", ["low", "high"]]
    assert low < high and f"| WA | 0.333 | {low:.3f} to {high:.3f} |" in read_card(run).text


def test_scores_of_a_twin_stand_for_those_of_the_run(finished, tmp_path):
    run, twin = finished("paper", split="random"), finished("paper", split="disjoint")
    right = twin.predictions.assign(y_pred=twin.predictions["y_true"])
    card = write_model_card(run, tmp_path / "base.md", replace(twin, predictions=right), notes=["It has 3 MB."])
    assert str(card) == (tmp_path / "base.md").read_text()
    assert "# base\n" in card.text and "It has 3 MB." in card.text and "| UA | 1.000 |" in card.text
    assert "Of its twin, trained alike but for whole speakers, on those: 6 utterances of 2 speakers." in card.text
    assert "held out: 5 % of the utterances at random" in card.text
    assert {result.dataset_split for result in card.data.eval_results} == {"disjoint, production-disjoint"}


def test_another_corpus_has_a_table_of_its_own(finished, tmp_path):
    transfer = pd.DataFrame({"value": [0.4, 0.1], "low": [0.3, 0], "high": [0.5, 0.2]}, ["UA", "f1_anger"])
    text = write_model_card(finished("paper"), tmp_path / "base.md", transfer=transfer).text
    after = text.split("On RAVDESS, which it was not trained on:")[1].split("## Where")[0]
    assert after.strip().splitlines()[2:] == ["| UA | 0.400 | 0.300 to 0.500 |"]


@pytest.mark.parametrize(
    "words",
    [
        "Regulation (EU) 2024/1689",
        "Article 5(1)(f) prohibits them at the workplace and in education institutions, except for medical or safety",
        "high-risk (Article 6(2) and Annex III, point 1(c))",
        "Article 50(3): whoever deploys one must inform the people who are exposed to it.",
        "adult actors from North America who play emotions in English",
        "misses some shouting and whispers; a short recording is then looked at once more",
    ],
)
def test_limits_and_law_are_said(finished, words):
    assert words in read_card(finished("paper")).text


@pytest.mark.parametrize(
    ("settings", "held_out", "split"),
    [
        ({"fold": 4}, "session 4, whose speakers are in no other part", "loso, fold4"),
        (
            {"split": "random"},
            "5 % of the utterances at random; their speakers are in the training part",
            "random, production-random",
        ),
        ({"split": "disjoint"}, "whole speakers, who are in no other part", "disjoint, production-disjoint"),
    ],
)
def test_what_was_held_out_is_said(finished, settings, held_out, split):
    card = read_card(finished("paper", **settings))
    assert f"held out: {held_out}" in card.text
    assert {result.dataset_split for result in card.data.eval_results} == {split}


@pytest.mark.parametrize("permanent", ["cremad", ""])
def test_terms_are_those_of_the_corpora_trained_on(finished, permanent):
    run = finished("paper", permanent=permanent)
    terms = read_card(run).text.split("## Terms")[1]
    assert {name for name, corpus in CORPORA.items() if f"- {corpus.license}" in terms} == set(run.experiment.corpora)
    assert ("Database Contents License 1.0" in terms) == bool(permanent)


def test_notice_of_the_weights_that_it_started_from_is_among_the_terms(finished):
    run, notice = finished(), "Whisper: MIT License, Copyright (c) 2022 OpenAI"
    assert "They started from" not in read_card(run).text
    LogMelConfig(notice=notice).save_pretrained(run.path / "model")
    terms = read_card(run).text.split("## Terms")[1]
    assert f"\n\nThey started from the weights of another model. {notice}" in terms


def test_synthetic_corpora_are_called_synthetic(finished):
    card, names = read_card(finished("demo")), "synthetic IEMOCAP + synthetic CREMA-D"
    assert f"**Trained on generated voices ({names}); what they teach holds for no real one.**" in card.text
    assert {(result.dataset_type, result.dataset_name) for result in card.data.eval_results} == {("synthetic", names)}
    assert "synthetic" not in str(read_card(finished("paper"))).lower()


def test_what_repeats_the_training_is_said(finished):
    text = read_card(finished("paper", seed=5, max_seconds=6.5)).text
    assert "(16 kHz, mono, up to 6.5 s) as anger, happiness, neutral, sadness." in text
    assert "- backbone: `ntu-spml/distilhubert`, 7 epochs, the best 3; seed 5\n" in text
