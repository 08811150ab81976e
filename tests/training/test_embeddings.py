"""Embeddings of a small trained model: they lead to its predictions, in the order of the table, and are kept."""

from dataclasses import replace

import numpy as np
import pytest

from sercore.config import Experiment
from sercore.data import load_split, write_synthetic
from sercore.emotions import EMOTIONS
from sercore.evaluation.adaptation import classify
from sercore.training import embeddings, fit, head


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch on a corpus of its own, its split and its audio."""
    folder = tmp_path_factory.mktemp("embeddings")
    root = write_synthetic("iemocap", folder / "iemocap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERCORE_RUNS", str(folder / "runs"))
        experiment = Experiment.from_profile("demo", iemocap_root=str(root), permanent="", epochs=1)
        return fit(experiment), *load_split(experiment)


@pytest.fixture(scope="module")
def found(trained):
    run, split, audio = trained
    return embeddings(run, split.test, audio)


def files(run) -> set[str]:
    return {file.name for file in (run.path / "embeddings").iterdir()}


def test_one_row_of_the_models_width_for_each_utterance(trained, found):
    run, split, _ = trained
    weight, bias = head(run)
    assert found.shape == (len(split.test), weight.shape[1]) and found.dtype == np.float32
    assert weight.shape[0] == len(bias) == len(EMOTIONS)


def test_the_head_makes_the_runs_predictions_of_them(trained, found):
    run, split, _ = trained
    weight, bias = head(run)
    logits = found @ weight.T + bias
    stored = run.predictions[[*EMOTIONS]].to_numpy()
    assert run.predictions["utterance"].tolist() == split.test["utterance"].tolist()
    np.testing.assert_allclose(classify(found, (weight, bias)), stored, atol=1e-5)
    np.testing.assert_allclose(logits - logits[:, :1], np.log(stored / stored[:, :1]), atol=1e-4)


def test_a_second_call_reads_the_kept_file_without_the_model(trained, found, tmp_path):
    """A copy of the run that has the kept embeddings and nothing else."""
    run, split, audio = trained
    before = files(run)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "embeddings").symlink_to(run.path / "embeddings")
    np.testing.assert_array_equal(embeddings(replace(run, path=tmp_path / "run"), split.test, audio), found)
    assert files(run) == before


def test_rows_follow_the_table(trained, found):
    run, split, audio = trained
    shuffled = split.test.sample(frac=1, random_state=0)
    order = split.test.index.get_indexer(shuffled.index)
    np.testing.assert_allclose(embeddings(run, shuffled, audio), found[order], atol=1e-5)


def test_an_utterance_has_the_same_embedding_in_any_company(trained, found):
    run, split, audio = trained
    np.testing.assert_allclose(embeddings(run, split.test[5:8], audio), found[5:8], atol=1e-5)


def test_other_utterances_get_another_file(trained, found):
    run, split, audio = trained
    before = files(run)
    other = embeddings(run, split.validation, audio)
    assert len(files(run) - before) == 1 and len(other) == len(split.validation)
    np.testing.assert_array_equal(embeddings(run, split.test, audio), found)


def test_other_audio_under_the_same_names_gets_another_file(trained, found):
    run, split, audio = trained
    before = files(run)
    embeddings(run, split.test[:3].assign(digest="other"), audio)
    assert len(files(run) - before) == 1


def test_nothing_half_written_stays(trained, found):
    assert {name.rpartition(".")[2] for name in files(trained[0])} == {"npy"}
