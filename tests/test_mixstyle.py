"""Styles that are mixed while a student is fine-tuned, and never when it predicts."""

import numpy as np
import pandas as pd
import pytest
import torch

from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("mixstyle")


@pytest.fixture
def features():
    """Two utterances of 60 and 40 real frames in four channels, and what lies behind them."""
    torch.manual_seed(0)
    hidden = torch.randn(2, 80, 4) * torch.tensor([1.0, 3.0])[:, None, None] + torch.tensor([0.0, 5.0])[:, None, None]
    return hidden, torch.arange(80) < torch.tensor([[60], [40]])


@pytest.fixture
def model():
    """A small one, without the blocks that training hides, nor dropout: training alone changes nothing."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    return LogMelClassifier(LogMelConfig(**sizes, mask_time_share=0.0, head_dropout=0.0, num_labels=len(EMOTIONS)))


@pytest.fixture
def batch():
    torch.manual_seed(1)
    mask = (torch.arange(3_200) < torch.tensor([[3_200], [2_400], [1_600]])).long()
    return {"input_values": 0.1 * torch.randn(3, 3_200) * mask, "attention_mask": mask}


def turn(styles):
    """Each of two utterances with the style of the other."""
    return tuple(one.flip(0) for one in styles)


def test_a_style_is_mean_and_deviation_of_the_real_frames(script, features):
    hidden, inside = features
    mean, deviation = script.measure_style(hidden, inside)
    for row, frames in enumerate((60, 40)):
        own = hidden[row, :frames]
        torch.testing.assert_close(mean[row, 0], own.mean(0))
        torch.testing.assert_close(deviation[row, 0], own.std(0, correction=0), rtol=1e-4, atol=1e-4)


def test_frames_behind_the_end_do_not_count_and_stay(script, features):
    hidden, inside = features
    louder = torch.where(inside[..., None], hidden, 1000.0)
    others, weight = turn(script.measure_style(hidden, inside)), torch.full((2, 1, 1), 0.3)
    one, other = (script.mix_style(own, inside, others, weight) for own in (hidden, louder))
    torch.testing.assert_close(one[inside], other[inside])
    assert torch.equal(one[~inside], hidden[~inside])


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_a_mixed_style_lies_between_both_as_the_weight_says(script, features, weight):
    hidden, inside = features
    own = script.measure_style(hidden, inside)
    mixed = script.mix_style(hidden, inside, turn(own), torch.full((2, 1, 1), weight))
    for one, found in zip(own, script.measure_style(mixed, inside), strict=True):
        torch.testing.assert_close(found, weight * one + (1 - weight) * one.flip(0), rtol=1e-3, atol=1e-3)


def test_weight_one_leaves_the_features_as_they_are(script, features):
    hidden, inside = features
    mixed = script.mix_style(hidden, inside, turn(script.measure_style(hidden, inside)), torch.ones(2, 1, 1))
    torch.testing.assert_close(mixed, hidden, rtol=1e-5, atol=1e-5)


def test_no_gradient_goes_through_a_style(script, features):
    """Else the layer below would learn to have the other's."""
    hidden, inside = features
    hidden.requires_grad_()
    assert not any(one.requires_grad for one in script.measure_style(hidden, inside))


def test_training_mixes_about_three_batches_of_four_and_prediction_none(script, model, batch):
    """Each of two layers mixes half of the batches: one in four passes as it is."""
    plain = model.eval()(**batch).logits
    script.mix_in_training(model)
    assert torch.equal(model(**batch).logits, plain)
    model.train()
    same = np.mean([torch.equal(model(**batch).logits, plain) for _ in range(100)])
    assert 0.08 < same < 0.42  # a quarter, within four deviations of 0.043


def test_styles_of_the_target_come_from_its_batches_one_for_each_of_training(script, model, batch, monkeypatch):
    """Where every batch is mixed, and a style wholly the other's, half of the utterances take on the target's."""
    monkeypatch.setattr(script, "SHARE", 1.0)
    monkeypatch.setattr(script.torch.distributions.Beta, "sample", lambda self, shape: torch.zeros(shape))
    louder = {**batch, "input_values": batch["input_values"] * torch.linspace(0, 3, 3_200)}
    asked, seen = [], []
    script.mix_in_training(model, (asked.append(1) or louder for _ in range(9)))
    model.layers[0].register_forward_pre_hook(
        lambda layer, inputs: seen.append(script.measure_style(inputs[0], inputs[1][:, 0, 0] == 0)[0])
    )
    model.train()(**batch).logits.sum().backward()
    target, mixed = seen
    near = [(abs(target - one[None]).amax((1, 2)) < 1e-5).any().item() for one in mixed]
    assert len(asked) == 1 and sum(near) == len(mixed) // 2
    model.eval()(**batch)
    assert len(asked) == 1


def test_no_label_of_the_target_is_read(script, monkeypatch):
    monkeypatch.setattr(script, "UtteranceDataset", lambda part, *_: pytest.fail(str(set(part["emotion"]))))
    target = pd.DataFrame({"utterance": ["a", "b"], "emotion": ["sadness", "happiness"]})
    with pytest.raises(pytest.fail.Exception, match=f"^{{'{EMOTIONS[0]}'}}$"):
        next(script.draw_batches(target, None, Experiment.from_profile("small")))


def test_a_row_that_is_there_is_not_made_again_and_the_first_seed_comes_first(script, monkeypatch, tmp_path):
    made = []

    def run(experiment, way, plain):
        made.append((experiment.arm, experiment.steps, way, experiment.seed))
        if len(made) == 4:
            raise KeyboardInterrupt
        assert list(plain["seed"]) == ([] if way == script.NOTHING else [experiment.seed])
        return {"predicted": "ahns"}

    monkeypatch.setattr(script, "run", run)
    file = tmp_path / "mixstyle.csv"
    with pytest.raises(KeyboardInterrupt):
        script.main(None, file)
    assert [row[3] for row in made] == [0, 0, 0, 1] and len(pd.read_csv(file)) == 3
    script.main(None, file)
    assert len(made) == 10 and len({*made}) == 9  # the one that broke off is begun again
    assert {row[:2] for row in made} == {("cremad", 1500)}  # as the profile says


def test_letters_are_predictions_again(script):
    """Of two speakers with four utterances each; the second of them always has the first emotion, once rightly."""
    rows = [(f"{speaker}{emotion}", speaker, emotion) for speaker in "AB" for emotion in EMOTIONS]
    target = pd.DataFrame(rows, columns=["utterance", "speaker", "emotion"])
    right = "".join(emotion[0] for emotion in target["emotion"])
    one, other = (script.read_letters(target, letters) for letters in (right[:4] + 4 * right[0], right))
    assert (one["y_pred"] == one["y_true"]).sum() == 5 and (other["y_pred"] == other["y_true"]).all()
