"""Training end to end on synthetic corpora: reproducible, resumable after a kill, and it learns."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sercore.config import Experiment
from sercore.data import write_synthetic
from sercore.evaluation.metrics import score
from sercore.training import fit
from sercore.training.fit import _EpochSampler, _last_checkpoint

SCRIPT = """
import json, sys
from sercore.config import Experiment
from sercore.training import fit
fit(Experiment.from_profile("demo", **json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The demo's smaller arm on a corpus of its own, four epochs."""
    root = write_synthetic("iemocap", tmp_path_factory.mktemp("corpora") / "iemocap")
    return {"iemocap_root": str(root), "permanent": "", "epochs": 4, "patience": 9}


@pytest.fixture(scope="module")
def reference(settings, tmp_path_factory):
    """The uninterrupted run, in a process of its own like the others."""
    return trained(settings, tmp_path_factory.mktemp("reference"))


def started(settings, runs_root) -> subprocess.Popen:
    environment = os.environ | {"SERCORE_RUNS": str(runs_root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(settings)], env=environment, stdout=subprocess.PIPE, text=True)


def trained(settings, runs_root) -> Path:
    process = started(settings, runs_root)
    process.wait()
    assert process.returncode == 0
    return only_run(runs_root)


def only_run(runs_root) -> Path:
    (file,) = Path(runs_root).glob("demo/*/experiment.json")
    return file.parent


def history(path) -> pd.DataFrame:
    return pd.read_csv(path / "history.csv").drop(columns="seconds")


def test_run_has_every_file_and_no_checkpoint_left(reference):
    names = {file.name for file in reference.iterdir()}
    assert names == {"experiment.json", "environment.json", "history.csv", "predictions.csv", "metrics.json", "model"}
    assert (reference / "model" / "model.safetensors").is_file()


def test_same_seed_same_predictions(settings, reference, tmp_path):
    again = trained(settings, tmp_path)
    assert (again / "predictions.csv").read_bytes() == (reference / "predictions.csv").read_bytes()
    pd.testing.assert_frame_equal(history(again), history(reference))


def test_killed_run_goes_on_and_ends_with_the_same_numbers(settings, reference, tmp_path):
    process = started(settings, tmp_path)
    epochs = (line for line in process.stdout if "· epoch" in line)
    next(epochs), next(epochs)  # two epochs are through
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (only_run(tmp_path) / "metrics.json").exists()
    process = started(settings, tmp_path)
    resumed = [line for line in process.stdout if "· epoch" in line]
    process.wait()
    assert len(resumed) < 4, "it began from scratch"
    for name in ("predictions.csv", "metrics.json"):
        assert (only_run(tmp_path) / name).read_bytes() == (reference / name).read_bytes()
    pd.testing.assert_frame_equal(history(only_run(tmp_path)), history(reference))


def test_finished_run_is_read_not_repeated(settings, reference, monkeypatch):
    monkeypatch.setenv("SERCORE_RUNS", str(reference.parents[1]))
    before = (reference / "metrics.json").stat().st_mtime_ns
    run = fit(Experiment.from_profile("demo", **settings))
    assert run.path == reference and (reference / "metrics.json").stat().st_mtime_ns == before


def test_metrics_are_those_of_the_predictions(settings, reference, monkeypatch):
    monkeypatch.setenv("SERCORE_RUNS", str(reference.parents[1]))
    run = fit(Experiment.from_profile("demo", **settings))
    assert run.metrics["test"] == score(run.predictions["truth"], run.predictions["predicted"])
    np.testing.assert_allclose(run.predictions[["anger", "happiness", "neutral", "sadness"]].sum(axis=1), 1, atol=1e-5)
    assert run.history["UA"].max() == run.history["UA"][run.metrics["best_epoch"] - 1] == run.metrics["validation"]["UA"]


def test_it_learns_the_synthetic_voices(settings, tmp_path):
    """Two speakers held out, four emotions: chance is 0.25."""
    run = trained(settings | {"epochs": 12}, tmp_path)
    assert pd.read_csv(run / "history.csv")["UA"].max() > 0.45


def test_cut_off_checkpoint_is_skipped(tmp_path):
    for step, state in ((2, '{"global_step": 2}'), (10, '{"global_'), (30, None)):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if state:
            (folder / "trainer_state.json").write_text(state)
    assert _last_checkpoint(tmp_path).endswith("checkpoint-2")


def test_epoch_order_depends_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).uniform(1, 8, 70)

    def order(seed, epoch):
        sampler = _EpochSampler(70, 16, seed, lengths)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 3) == order(0, 3) and sorted(order(0, 3)) == list(range(70))
    assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)


def test_batches_hold_similar_lengths_in_random_order():
    lengths = np.arange(1600.0)
    batches = lengths[list(_EpochSampler(1600, 16, 0, lengths))].reshape(-1, 16)
    assert np.ptp(batches, axis=1).mean() < np.ptp(lengths) / 4
    assert abs(np.corrcoef(batches.mean(axis=1), np.arange(100))[0, 1]) < 0.3
