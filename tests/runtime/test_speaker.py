"""One speaker's mean logits: by hand."""

import json

import numpy as np
import onnx
import pytest
import torch

from sercore.export import export_onnx
from sercore.runtime import EmotionClassifier, SpeakerClassifier, analyze_voice_note
from sercore.runtime.speaker import PRIOR, center_logits, describe_speakers
from sercore.training import build_classifier

SPEAKERS = {"mean": [0.1, -0.3, 0.4, -0.2], "calm": [-0.4, -0.4, 1.2, -0.4]}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A model of random weights whose metadata tells where its training speakers' mean lies."""
    torch.manual_seed(0)
    file = export_onnx(build_classifier("tiny").eval(), tmp_path_factory.mktemp("model") / "model.onnx")
    return describe(file, SPEAKERS, file.with_name("speakers.onnx"))


def describe(file, speakers, changed):
    model = onnx.load(file)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, metadata | {"speakers": json.dumps(speakers)})
    onnx.save(model, changed)
    return changed


@pytest.fixture(scope="module")
def classifier(file):
    return EmotionClassifier(file, threads=1)


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    return [np.cumsum(rng.normal(0, 0.05, 16_000)).astype(np.float32) * 0.05 * (n + 1) for n in range(5)]


def test_prediction_is_moved_by_the_mean_logits_so_far(classifier, sounds):
    """Of what came, this utterance included, and eight with the training speakers' mean."""
    logits = center_logits(np.array([classifier.probabilities(sound) for sound in sounds]))
    mine, home = SpeakerClassifier(classifier), np.array(SPEAKERS["mean"])
    for count, sound in enumerate(sounds, 1):
        mean = (logits[:count].sum(axis=0) + PRIOR * home) / (count + PRIOR)
        odds = np.exp(logits[count - 1] - mean + home)
        assert [*mine.predict(sound).values()] == pytest.approx(odds / odds.sum())


def test_enrolled_utterance_counts_as_far_from_home_as_it_is_from_calm(classifier, sounds):
    mine, home = SpeakerClassifier(classifier), np.array(SPEAKERS["mean"])
    mine.enroll(sounds[0])
    first, second = center_logits(np.array([classifier.probabilities(sound) for sound in sounds[:2]]))
    mean = (first - SPEAKERS["calm"] + home + second + PRIOR * home) / (PRIOR + 2)
    odds = np.exp(second - mean + home)
    assert [*mine.predict(sounds[1]).values()] == pytest.approx(odds / odds.sum())


def test_saved_speaker_goes_on_where_it_was(classifier, sounds, tmp_path):
    one = SpeakerClassifier(classifier, tmp_path / "me.json")
    one.predict(sounds[0])
    one.save()
    assert (tmp_path / "me.json").stat().st_size < 1000
    assert SpeakerClassifier(classifier, tmp_path / "me.json").predict(sounds[1]) == one.predict(sounds[1])


def test_voice_note_takes_a_speaker_as_its_classifier(classifier, sounds):
    note = analyze_voice_note(np.tile(sounds[0], 20), SpeakerClassifier(classifier))
    plain = analyze_voice_note(np.tile(sounds[0], 20), classifier)
    assert [row["start"] for row in note.windows] == [row["start"] for row in plain.windows]


def test_speaker_of_another_model_is_refused(file, classifier, tmp_path):
    SpeakerClassifier(classifier, tmp_path / "me.json").save()
    other = describe(file, SPEAKERS | {"calm": SPEAKERS["mean"]}, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"me\.json: this speaker is known to another model; name another file"):
        SpeakerClassifier(EmotionClassifier(other), tmp_path / "me.json")


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"count": 1, "total": [], "speakers": null}'])
def test_damaged_speaker_is_refused(classifier, tmp_path, text):
    (tmp_path / "me.json").write_text(text)
    with pytest.raises(ValueError, match=r"me\.json: "):
        SpeakerClassifier(classifier, tmp_path / "me.json")


def test_model_that_says_nothing_of_speakers_is_refused(tmp_path):
    file = export_onnx(build_classifier("tiny").eval(), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="says nothing of its training speakers"):
        SpeakerClassifier(EmotionClassifier(file))


def test_calm_is_the_mean_of_neutral_utterances():
    probabilities = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]])
    found = describe_speakers(probabilities, np.array(["anger", "neutral"]))
    step = np.log(7)  # of logits, which have mean 0
    assert found["calm"] == pytest.approx([-step / 4, -step / 4, step * 3 / 4, -step / 4], abs=1e-6)
    assert found["mean"] == pytest.approx([step / 4, -step / 4, step / 4, -step / 4], abs=1e-6)
