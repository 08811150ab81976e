"""Embeddings of a small trained model: they lead to its predictions, in the order of the table, and are kept."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sercore.data import load_split
from sercore.demo import write_corpus
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training import classify_embeddings, embed, read_head, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch on a corpus of its own, its split and its audio."""
    folder = tmp_path_factory.mktemp("embeddings")
    root = write_corpus("iemocap", folder / "iemocap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERCORE_RUNS", str(folder / "runs"))
        experiment = Experiment.from_profile("demo", roots={"iemocap": str(root)}, permanent="", epochs=1)
        return train(experiment), *load_split(experiment)


@pytest.fixture(scope="module")
def embeddings(trained):
    run, split, audio = trained
    return embed(run, split.test, audio)


def files(run) -> set[str]:
    return {file.name for file in (run.path / "embeddings").iterdir()}


def test_the_head_makes_the_runs_predictions_of_them(trained, embeddings):
    run, split, _ = trained
    weight, bias = read_head(run)
    assert embeddings.shape == (len(split.test), weight.shape[1]) and embeddings.dtype == np.float32
    assert weight.shape[0] == len(bias) == len(EMOTIONS)
    assert run.predictions["utterance"].tolist() == split.test["utterance"].tolist()
    found = classify_embeddings(embeddings, (weight, bias))
    np.testing.assert_allclose(found, run.predictions[[*EMOTIONS]].to_numpy(), atol=1e-5)


def test_classification_is_a_softmax_of_the_logits():
    weight, bias = np.array([[1.0, 0], [0, 1], [1, 1], [0, 0]]), np.array([0, 0, -1, 0.5])
    logits = [2, 3, 4, 0.5]  # of the embedding (2, 3)
    expected = [math.exp(logit) / sum(map(math.exp, logits)) for logit in logits]
    assert classify_embeddings(np.array([[2.0, 3.0]]), (weight, bias))[0] == pytest.approx(expected)


def test_a_second_call_reads_the_kept_file_without_the_model(trained, embeddings, tmp_path):
    """A copy of the run that has the kept embeddings and nothing else."""
    run, split, audio = trained
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "embeddings").symlink_to(run.path / "embeddings")
    np.testing.assert_array_equal(embed(replace(run, path=tmp_path / "run"), split.test, audio), embeddings)
    assert {name.rpartition(".")[2] for name in files(run)} == {"npy"}


def test_rows_follow_the_table(trained, embeddings):
    run, split, audio = trained
    shuffled = split.test.sample(frac=1, random_state=0)
    order = split.test.index.get_indexer(shuffled.index)
    np.testing.assert_allclose(embed(run, shuffled, audio), embeddings[order], atol=1e-5)


def test_an_utterance_has_the_same_embedding_in_any_company(trained, embeddings):
    run, split, audio = trained
    np.testing.assert_allclose(embed(run, split.test[5:8], audio), embeddings[5:8], atol=1e-5)


def test_other_audio_under_the_same_names_gets_another_file(trained, embeddings):
    run, split, audio = trained
    before = files(run)
    embed(run, split.test[:3].assign(digest="other"), audio)
    assert len(files(run) - before) == 1
