"""What a model must compute at least, and what the recorded measurements are held to."""

import json

import pandas as pd
import pytest

from sercore import paths
from sercore.export.latency import count_operations
from sercore.page import read_open
from sercore.training import build_classifier

# DistilHuBERT, 8 s: 27.8 GMAC, of which the convolutional encoder takes 70.6 %, its second layer alone 36 %, the
# positional convolution 6.8 % (counted from the published geometry, layer by layer, by hand).


@pytest.fixture(scope="module")
def accuracy(page_functions):
    return page_functions("quantization_accuracy")


@pytest.fixture(scope="module")
def work():
    """Without the head, which the published count leaves out."""
    return count_operations(build_classifier("distilhubert-scratch"), 8).drop(["projector", "classifier"])


def test_eight_seconds_are_as_many_multiply_accumulates_as_counted_by_hand(work):
    shares = work / work.sum()
    assert work.sum() / 1e9 == pytest.approx(27.8, abs=0.05)
    assert shares.filter(regex="conv_layers").sum() == pytest.approx(0.706, abs=5e-4)
    assert shares["hubert.feature_extractor.conv_layers.1.conv"] == pytest.approx(0.36, abs=5e-3)
    assert shares["hubert.encoder.pos_conv_embed.conv"] == pytest.approx(0.068, abs=5e-4)


def test_the_first_convolution_by_hand(work):
    """512 filters of 10 samples, every 5 samples: 25,599 frames of 128,000 samples."""
    assert work["hubert.feature_extractor.conv_layers.0.conv"] == 25_599 * 512 * 10


@pytest.mark.parametrize("backbone", ["tiny", "student-scratch"])
def test_all_but_attention_products_and_classifier_grow_with_length(backbone):
    """Twice the audio is twice the frames, up to a frame; attention pairs them; a classifier sees them pooled."""
    short, long = (count_operations(build_classifier(backbone), seconds) for seconds in (4, 8))
    growth = (long / short).drop("classifier")
    assert growth.drop("attention products").to_numpy() == pytest.approx(2, abs=0.03)
    assert growth["attention products"] == pytest.approx(4, abs=0.1)


def test_a_student_by_hand():
    """8 s are 800 frames of 80 bins; stride 2 twice leaves 200 of width 192. Five layers: feed-forward 576, pairs."""
    work = count_operations(build_classifier("student-scratch"), 8)
    assert work["conv1"] == 400 * 192 * 80 * 3 and work["conv2"] == 200 * 192 * 192 * 3
    assert work["layers.fc1"] == work["layers.fc2"] == 5 * 200 * 192 * 576
    assert work["attention products"] == 5 * 2 * 200**2 * 192


def runtimes(accuracy):
    file = paths.results_root() / "open" / "compatibility.json"
    return accuracy.compare_runtimes(json.loads(file.read_text(encoding="utf-8"))["models"])


@pytest.fixture(scope="module")
def goals(accuracy):
    losses = pd.concat([read_open("quantization_losses_hold_out"), read_open("quantization_losses_target")])
    tables = read_open("quantization_sizes"), read_open("quantization_latency"), losses
    return accuracy.measure_goals(*tables, runtimes(accuracy))


def test_every_goal_is_reached_at_least(goals):
    assert goals["measured"].notna().all() and not goals.index[goals["reached"] == "neither"].tolist()


def test_goals_by_hand(goals):
    """From results/open: fp32 takes 603.992 ms, w8a8 181.768; the file of w8a8-conv is the largest in 8 bits."""
    assert goals.loc["times as fast as fp32", "measured"] == pytest.approx(603.992 / 181.768, rel=1e-5)
    assert goals.loc["times as fast as fp32", "reached"] == "aim"
    assert goals.loc["bytes of the largest 8-bit file", "measured"] == 23_942_969


def test_more_or_less_is_better(accuracy):
    sizes, latency = read_open("quantization_sizes"), read_open("quantization_latency")
    losses = read_open("quantization_losses_target").assign(gain=-0.004)
    goals = accuracy.measure_goals(sizes.assign(IR=9), latency, losses, runtimes(accuracy))
    assert goals.loc["highest IR", "reached"] == "neither"
    assert goals.loc["UA points lost by w8", "reached"] == "at least"
    assert goals.loc["UA points lost by the fastest", "reached"] == "aim"


def test_a_refusal_and_another_emotion_are_failures(accuracy):
    expected = {"w8": {"tone": [0.6, 0.4]}}
    models = {"old": {"w8": {"error": "NOT_IMPLEMENTED"}}, "new": {"w8": {"tone": [0.4, 0.6]}}, "same": expected}
    table = accuracy.compare_runtimes({"small": {"expected": expected, "runtimes": models}}).set_index("runtime")
    assert table["failed"].to_dict() == {"old": True, "new": True, "same": False}
    assert table["change"].isna().to_dict() == {"old": True, "new": False, "same": False}


def test_drift_is_of_probabilities_and_agreement_of_labels(accuracy):
    columns = ["y_pred", *accuracy.EMOTIONS]
    exact = pd.DataFrame([["anger", 0.7, 0.1, 0.1, 0.1], ["anger", 0.4, 0.3, 0.2, 0.1]], columns=columns)
    own = pd.DataFrame([["anger", 0.7, 0.1, 0.1, 0.1], ["happiness", 0.3, 0.4, 0.2, 0.1]], columns=columns)
    drift = accuracy.measure_drift(exact, own)
    assert drift == pytest.approx({"drift_mean": 0.2 / 8, "drift_most": 0.1, "agreement": 0.5})
