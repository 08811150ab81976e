"""Training end to end on a synthetic corpus: reproducible, resumable after a kill, and it learns."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sercore.demo import write_corpus
from sercore.evaluation import score, score_dimensions
from sercore.experiment import Experiment
from sercore.labels import DIMENSIONS, EMOTIONS
from sercore.training import build_classifier, load_classifier, train
from sercore.training.adapter import load_adapter
from sercore.training.runs import LAST
from sercore.training.trainer import EpochSampler, _last_checkpoint


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The demo's smaller arm on a corpus of its own, four epochs."""
    root = write_corpus("iemocap", tmp_path_factory.mktemp("corpora") / "iemocap")
    return {"roots": {"iemocap": str(root)}, "permanent": "", "epochs": 4, "patience": 9}


@pytest.fixture(scope="module")
def reference(settings, tmp_path_factory):
    """The uninterrupted run, in a process of its own like the others."""
    return finish(start(settings, tmp_path_factory.mktemp("reference")))[0]


def start(settings, runs_root, stderr=None, **variables) -> subprocess.Popen:
    """A variable that is None is not set."""
    environment = os.environ | {"SERCORE_RUNS": str(runs_root), "OMP_NUM_THREADS": "1"} | variables
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, str(Path(__file__).with_name("train_demo.py")), json.dumps(settings)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
    process.runs_root = Path(runs_root)
    return process


def finish(process) -> tuple[Path, list[str]]:
    """The run, and what it printed of each epoch."""
    lines = [line for line in process.communicate()[0].splitlines(keepends=True) if "· epoch" in line]
    assert process.returncode == 0
    return only_run(process.runs_root), lines


def only_run(runs_root) -> Path:
    (file,) = runs_root.glob("demo/*/experiment.json")
    return file.parent


def history(path) -> pd.DataFrame:
    return pd.read_csv(path / "history.csv").drop(columns="seconds")


def test_run_has_every_file_and_no_checkpoint_left(reference):
    names = {file.name for file in reference.iterdir()}
    assert names == {"experiment.json", "environment.json", "history.csv", "predictions.csv", "metrics.json", "model"}
    assert (reference / "model" / "model.safetensors").is_file()


@pytest.fixture(scope="module")
def twice(settings, tmp_path_factory):
    """Two processes on one run at once, by as many threads as training takes by itself; what each printed."""
    root = tmp_path_factory.mktemp("twice")
    both = [start(settings, root, OMP_NUM_THREADS=None) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    return only_run(root), printed


def test_two_processes_on_one_run_train_it_once(twice):
    _, (one, other) = twice
    assert sorted([one.count("· epoch"), other.count("· epoch")]) == [0, 4]


def test_cores_do_not_change_the_numbers(twice, reference):
    """One thread, unless OMP_NUM_THREADS says otherwise: sums in another order are other numbers."""
    run, _ = twice
    assert json.loads((run / "environment.json").read_text())["threads"] == 1
    for name in ("predictions.csv", "metrics.json"):
        assert (run / name).read_bytes() == (reference / name).read_bytes()


def test_a_full_disk_while_training_is_one_line(settings, reference, tmp_path):
    """A disk of 200 KiB, on which the first checkpoint has no room; root alone can mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        cache = {"SERCORE_CACHE": str(reference.parents[1] / "cache")}
        process = start(settings, disk, stderr=subprocess.PIPE, **cache)
        lines = process.communicate()[1].splitlines()
        assert process.returncode == 1 and lines[-1].startswith(f"OSError: cannot write {disk}/demo/iemocap-fold1")
        assert "free space on its disk, or on that of temporary files" in lines[-1]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_history_has_a_row_per_epoch(reference):
    table = pd.read_csv(reference / "history.csv")
    scores = ["train_loss", "validation_loss", "WA", "UA", "macro_f1", "learning_rate", "seconds"]
    assert list(table) == ["epoch", *scores] and table["epoch"].tolist() == [1, 2, 3, 4]
    assert table.notna().all(axis=None)


@pytest.mark.fault("killed training")
def test_killed_run_goes_on_and_ends_with_the_same_numbers(settings, reference, tmp_path):
    process = start(settings, tmp_path)
    epochs = (line for line in process.stdout if "· epoch" in line)
    first = [next(epochs), next(epochs)]  # two epochs are through
    time.sleep(0.3)
    process.kill()
    process.communicate()
    assert not (only_run(tmp_path) / "metrics.json").exists()
    run, lines = finish(start(settings, tmp_path))
    assert len(lines) < 4, "it began from scratch"
    for name in ("predictions.csv", "metrics.json"):
        assert (run / name).read_bytes() == (reference / name).read_bytes()
    pd.testing.assert_frame_equal(history(run), history(reference))
    assert (tmp_path / "demo" / "progress.log").read_text().splitlines(keepends=True)[:2] == first


@pytest.mark.fault("killed training")
def test_killed_adapter_goes_on_and_ends_with_the_same_numbers(settings, tiny_whisper, tmp_path):
    """Adapter, interpolation, refitted head: what a kill may interrupt beside the plain run's."""
    settings = settings | {"backbone": "whisper-base", "adapter_rank": 4, "interpolation": 0.5, "head": "regression"}
    settings |= {"augmentation": "views", "epochs": 3, "bfloat16": True}
    teacher = {"SERCORE_TEACHER": str(tiny_whisper)}
    whole, _ = finish(start(settings, tmp_path / "whole", **teacher))
    process = start(settings, tmp_path / "cut", **teacher)
    next(line for line in process.stdout if "· epoch" in line)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    cut, lines = finish(start(settings, tmp_path / "cut", **teacher))
    assert len(lines) < 3, "it began from scratch"
    for name in ("predictions.csv", "metrics.json", "adapter/adapter_model.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


@torch.no_grad()
def test_kept_adapter_on_its_backbone_is_the_model_of_the_run(settings, tiny_whisper, tmp_path, monkeypatch):
    """The adapter is kept in half precision, hence the tolerance."""
    settings = settings | {"backbone": "whisper-base", "adapter_rank": 4, "interpolation": 0.5, "head": "regression"}
    run, _ = finish(start(settings | {"epochs": 1}, tmp_path, SERCORE_TEACHER=str(tiny_whisper)))
    monkeypatch.setenv("SERCORE_TEACHER", str(tiny_whisper))
    adapted = load_adapter(build_classifier("whisper-base"), run / "adapter").eval()
    values = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    torch.testing.assert_close(adapted(values).logits, load_classifier(run / "model")(values).logits, atol=2e-2, rtol=0)


def test_steps_bound_the_epochs(settings, tmp_path):
    """A single step is one epoch, as far as epochs are whole, whatever `epochs` says."""
    run, lines = finish(start(settings | {"steps": 1}, tmp_path))
    assert len(lines) == 1 and json.loads((run / "metrics.json").read_text())["epochs"] == 1


def test_every_epoch_is_a_line_of_the_profiles_progress(reference):
    lines = (reference.parent / "progress.log").read_text().splitlines()
    assert len(lines) == 4 and lines[-1].startswith("iemocap fold1 · epoch 4/4 · loss ")


@pytest.fixture(scope="module")
def watched(settings, tmp_path_factory) -> Path:
    """The same run, watched in TensorBoard."""
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed here: pip install tensorboard")
    return finish(start(settings | {"report_to": "tensorboard"}, tmp_path_factory.mktemp("watched")))[0]


def test_tensorboard_shows_the_history_of_a_finished_run(watched):
    """In single precision."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(watched / "tensorboard")).Reload()
    for tag, column in {"train/loss": "train_loss", "eval/UA": "UA"}.items():
        values = [one.value for one in shown.Scalars(tag)]
        np.testing.assert_allclose(values, history(watched)[column], rtol=1e-6)


def test_who_is_watched_ends_with_the_same_numbers(watched, reference):
    assert watched.name == reference.name
    for name in ("predictions.csv", "metrics.json"):
        assert (watched / name).read_bytes() == (reference / name).read_bytes()


def test_each_training_of_a_process_is_a_run_of_its_own_in_wandb(settings, tmp_path, monkeypatch):
    """Pages train several; without a network wandb keeps a folder for each."""
    pytest.importorskip("wandb.sdk", reason="wandb is not installed here: pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    for fold in (1, 2):
        train(Experiment.from_profile("demo", **settings | {"epochs": 1, "fold": fold, "report_to": "wandb"}))
    assert len([*tmp_path.glob("wandb/offline-run-*")]) == 2


@pytest.mark.parametrize("watcher", ["tensorboard", "wandb"])
def test_who_is_to_watch_and_is_not_installed_is_named_with_the_package(settings, watcher):
    if find_spec(watcher):
        pytest.skip(f"{watcher} is installed here")
    with pytest.raises(ImportError, match=f"^report_to is '{watcher}', .*: pip install {watcher}, or leave it out.$"):
        train(Experiment.from_profile("demo", **settings, report_to=watcher))


def test_finished_run_is_read_not_repeated(settings, reference, monkeypatch):
    monkeypatch.setenv("SERCORE_RUNS", str(reference.parents[1]))
    before = (reference / "metrics.json").stat().st_mtime_ns
    run = train(Experiment.from_profile("demo", **settings))
    assert run.path == reference and (reference / "metrics.json").stat().st_mtime_ns == before


def test_metrics_are_those_of_the_predictions_and_of_the_best_epoch(settings, reference, monkeypatch):
    monkeypatch.setenv("SERCORE_RUNS", str(reference.parents[1]))
    run = train(Experiment.from_profile("demo", **settings))
    assert list(run.predictions) == ["utterance", "speaker", "y_true", "y_pred", *EMOTIONS]
    assert run.metrics["test"] == score(run.predictions["y_true"], run.predictions["y_pred"])
    np.testing.assert_allclose(run.predictions[[*EMOTIONS]].sum(axis=1), 1, atol=1e-5)
    assert run.metrics["parameters"] == build_classifier("tiny").num_parameters()
    best = run.history["UA"][run.metrics["best_epoch"] - 1]
    assert run.history["UA"].max() == best == run.metrics["validation"]["UA"]


def test_training_stops_when_patience_ends(settings, tmp_path):
    """At learning rate 1e-9 the validation UA does not move, so that the second epoch is no better."""
    run, _ = finish(start(settings | {"patience": 1, "learning_rate": 1e-9}, tmp_path))
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 2


def test_it_learns_the_synthetic_voices(settings, tmp_path):
    """Two speakers held out, four emotions: chance is 0.25."""
    run, _ = finish(start(settings | {"epochs": 12}, tmp_path))
    assert history(run)["UA"].max() > 0.45


@pytest.fixture(scope="module")
def dimensional(settings, tmp_path_factory) -> Path:
    """The same fold, twelve epochs, with ratings in the place of emotions."""
    return finish(start(settings | {"task": "dimensional", "epochs": 12}, tmp_path_factory.mktemp("rated")))[0]


def test_a_run_of_dimensions_has_ratings_and_their_concordance(dimensional):
    predictions, metrics = pd.read_csv(dimensional / "predictions.csv"), json.loads((dimensional / LAST).read_text())
    pairs = [[f"y_{side}_{name}" for name in DIMENSIONS] for side in ("true", "pred")]
    assert list(predictions) == ["utterance", "speaker", *pairs[0], *pairs[1]] and len(predictions) == 32
    assert metrics["test"] == score_dimensions(*(predictions[names] for names in pairs))


def test_it_keeps_the_epoch_of_the_best_mean_concordance(dimensional):
    table, metrics = history(dimensional), json.loads((dimensional / LAST).read_text())
    scores = ["CCC", *(f"CCC_{name}" for name in DIMENSIONS)]
    assert list(table) == ["epoch", "train_loss", "validation_loss", *scores, "learning_rate"]
    np.testing.assert_allclose(table["CCC"], table[scores[1:]].mean(axis=1))
    best = table.loc[metrics["best_epoch"] - 1, "CCC"]
    assert table["CCC"].max() == best == pytest.approx(metrics["validation"]["CCC"], abs=1e-4)


def test_it_learns_the_synthetic_ratings(dimensional):
    """Two speakers held out; constant predictions have a CCC of 0."""
    assert history(dimensional)["CCC_activation"].max() > 0.4


@pytest.mark.fault("cut checkpoint")
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
        sampler = EpochSampler(70, 16, seed, lengths)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 3) == order(0, 3) and sorted(order(0, 3)) == list(range(70))
    assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)


def test_batches_hold_similar_lengths_in_random_order():
    lengths = np.arange(1600.0)
    batches = lengths[list(EpochSampler(1600, 16, 0, lengths))].reshape(-1, 16)
    assert np.ptp(batches, axis=1).mean() < np.ptp(lengths) / 4
    assert abs(np.corrcoef(batches.mean(axis=1), np.arange(100))[0, 1]) < 0.3
