"""The model card of a run, read back as the hub reads it."""

import pytest
from huggingface_hub import ModelCard

from sercore.data import CORPORA
from sercore.export import write_model_card


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
    assert "- WA: 0.333\n- UA: 0.250\n- macro F1: 0.250" in card.text and "- recall of sadness: 0.500" in card.text
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {"WA": 0.3333, "UA": 0.25, "macro F1": 0.25}
    assert card.data.pipeline_tag == "audio-classification" and card.data.license == "other"


@pytest.mark.parametrize(
    ("settings", "held_out", "split"),
    [
        ({"fold": 4}, "session 4, whose speakers are in no other part", "loso, fold4"),
        ({"split": "random"}, "5 % of the utterances at random; their speakers", "random, production-random"),
        ({"split": "disjoint"}, "whole speakers, about 5 % of them, who are in no", "disjoint, production-disjoint"),
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


def test_synthetic_corpora_are_called_synthetic(finished):
    card, names = read_card(finished("demo")), "synthetic IEMOCAP + synthetic CREMA-D"
    assert f"**Trained on generated voices ({names}); what they teach holds for no real one.**" in card.text
    assert {(result.dataset_type, result.dataset_name) for result in card.data.eval_results} == {("synthetic", names)}
    assert "synthetic" not in str(read_card(finished("paper"))).lower()


def test_what_repeats_the_training_is_said(finished):
    text = read_card(finished("paper", seed=5, max_seconds=6.5)).text
    assert "(16 kHz, mono, up to 6.5 s) as anger, happiness, neutral, sadness." in text
    assert "- backbone: `ntu-spml/distilhubert`, 7 epochs, the best 3; seed 5\n" in text
