"""Batches: the right audio under the right label, at one length, augmented by epoch."""

import shutil

import datasets
import numpy as np
import pandas as pd
import pytest
import torch

from sercore import paths
from sercore.data import Collator, UtteranceDataset, load_split, load_target, shared_speakers
from sercore.experiment import Experiment
from sercore.labels import DIMENSIONS, EMOTIONS

LENGTHS = {"a": 4000, "b": 9000, "c": 200}
AUDIO = datasets.Dataset.from_dict(
    {"utterance": list(LENGTHS), "waveform": [np.full(n, n / 1e5, np.float32) for n in LENGTHS.values()]}
).with_format("numpy")
PART = pd.DataFrame({"utterance": ["c", "b", "a"], "emotion": ["sadness", "anger", "neutral"]})
PART["seconds"] = PART["utterance"].map(LENGTHS) / 16_000


def test_audio_is_found_by_name_not_by_position():
    items = [UtteranceDataset(PART, AUDIO)[row] for row in range(3)]
    assert [len(item["input_values"]) for item in items] == [200, 9000, 4000]
    assert [EMOTIONS[item["labels"]] for item in items] == ["sadness", "anger", "neutral"]


def test_ratings_are_the_labels_of_the_dimensional_task():
    part = PART.assign(valence=[1.0, 2.0, 3.0], activation=[4.0, 5.0, 1.5], dominance=[2.5, 3.5, 4.5])
    dataset = UtteranceDataset(part, AUDIO, task="dimensional")
    labels = Collator("longest", 1.0)([dataset[row] for row in range(3)])["labels"]
    assert labels.dtype == torch.float32 and labels.tolist() == part[[*DIMENSIONS]].to_numpy().tolist()


def test_fixed_pads_with_zeros_and_masks_nothing():
    batch = Collator("fixed", max_seconds=1.0)([UtteranceDataset(PART, AUDIO)[row] for row in range(3)])
    assert batch["input_values"].shape == (3, 16_000) and "attention_mask" not in batch
    assert batch["input_values"][2, 4000:].abs().max() == 0


def test_longest_masks_what_it_pads():
    batch = Collator("longest", max_seconds=8.0)([UtteranceDataset(PART, AUDIO)[row] for row in range(3)])
    assert batch["input_values"].shape == (3, 9000)
    assert batch["attention_mask"].sum(1).tolist() == [1920, 9000, 4000]  # 0.12 s at least


def test_longer_utterances_are_cut():
    batch = Collator("longest", max_seconds=0.5)([UtteranceDataset(PART, AUDIO)[1]])
    assert batch["input_values"].shape == (1, 8000)


@pytest.mark.parametrize("augmentation", ["paper", "views"])
def test_every_epoch_draws_its_own_augmentation(augmentation):
    dataset = UtteranceDataset(PART, AUDIO, augmentation, seed=3)
    draws = []
    for epoch in range(6):
        dataset.set_epoch(epoch)
        draws.append(dataset[1]["input_values"])
    assert len({draw.tobytes() for draw in draws}) > 1
    dataset.set_epoch(0)
    np.testing.assert_array_equal(dataset[1]["input_values"], draws[0])


@pytest.fixture(scope="module")
def decoded(tmp_path_factory):
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture
def roots(synthetic, decoded, monkeypatch):
    """The synthetic corpora, decoded once."""
    monkeypatch.setenv("SERCORE_CACHE", str(decoded))
    return {name: str(folder) for name, folder in synthetic.items()}


def production(roots, split="random", **settings):
    return load_split(Experiment(split=split, roots=roots, **settings))


def test_a_loso_split_trains_on_the_permanent_corpus_too(roots):
    split, audio = load_split(Experiment(roots=roots))
    assert set(split.train["corpus"]) == {"iemocap", "cremad"} and set(split.test["corpus"]) == {"iemocap"}
    assert len(audio) == 160 + 120  # all that the writers write of the classes


def test_a_split_of_dimensions_is_that_of_emotions_with_ratings(roots):
    settings = {"roots": roots, "permanent": "", "fold": 2}
    emotions, rated = (load_split(Experiment(task=task, **settings))[0] for task in ("categorical", "dimensional"))
    assert all(rated.parts[name].equals(part) for name, part in emotions.parts.items())
    assert rated.test[[*DIMENSIONS]].stack().between(1, 5).all()


@pytest.mark.parametrize("settings", [{"primary": "ravdess", "permanent": ""}, {"permanent": "cremad"}])
def test_a_corpus_without_ratings_is_one_clear_line(roots, settings):
    name = "ravdess" if "primary" in settings else "cremad"
    line = f"^{name} has no ratings of valence, activation, dominance; set primary to iemocap, permanent to ''"
    with pytest.raises(ValueError, match=line) as error:
        load_split(Experiment(task="dimensional", roots=roots, **settings))
    assert "\n" not in str(error.value)


def test_synthetic_corpora_are_written_where_no_folder_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "synthetic_root", lambda: tmp_path)
    split, _ = load_split(Experiment(synthetic=True, primary="ravdess", permanent=""))
    assert split.train["path"].str.startswith(str(tmp_path / "ravdess")).all()


def test_a_broken_file_is_named_and_ends_the_run_only_when_asked_to(roots, tmp_path, capsys):
    shutil.copytree(roots["ravdess"], tmp_path / "ravdess")
    (tmp_path / "ravdess/Actor_01/03-01-05-01-02-01-01.wav").write_bytes(b"")
    settings = {"primary": "ravdess", "permanent": "", "roots": {"ravdess": str(tmp_path / "ravdess")}}
    load_split(Experiment(**settings))
    line = "ravdess: left out 1 (03-01-05-01-02-01-01): unreadable: empty file"
    assert line in capsys.readouterr().out
    with pytest.raises(ValueError, match="ravdess: 1 unreadable files, and broken is 'stop'"):
        load_split(Experiment(broken="stop", **settings))


def test_suspicious_utterances_are_dropped_when_asked_to(roots):
    """The writer makes one silent utterance and one pair with two labels, as CREMA-D has them."""
    settings = {"primary": "cremad", "permanent": "", "roots": roots}
    sizes = []
    for drop in (False, True):
        split, _ = load_split(Experiment(drop_suspicious=drop, **settings))
        sizes.append(sum(map(len, split.parts.values())))
    assert sizes == [120, 117]


@pytest.mark.parametrize("split", ["random", "disjoint"])
def test_a_production_split_holds_every_utterance_of_every_training_corpus(roots, split):
    found, audio = production(roots, split)
    parts = found.parts.values() if split == "disjoint" else (found.train, found.test)
    assert sorted(pd.concat(parts)["utterance"]) == sorted(audio["utterance"])
    assert set(found.train["corpus"]) == {"iemocap", "cremad"}


def test_the_random_split_validates_on_what_it_tests_on_as_the_paper_does(roots):
    found, _ = production(roots, "random")
    pd.testing.assert_frame_equal(found.validation, found.test)


def test_the_random_split_shares_speakers_and_the_disjoint_one_none(roots):
    random, disjoint = (production(roots, split)[0] for split in ("random", "disjoint"))
    assert len(random.test) == np.ceil(0.05 * (len(random.train) + len(random.test)))
    assert shared_speakers(random) and not shared_speakers(disjoint)


def test_a_production_split_follows_the_seed(roots):
    first, again, other = (production(roots, seed=seed)[0].test["utterance"].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_the_target_is_read_whole_with_its_audio(roots):
    """12 actors say neutral, calm, happy, sad and angry once each."""
    table, audio = load_target(Experiment(split="random", roots=roots))
    assert table["utterance"].tolist() == list(audio["utterance"])
    assert table["emotion"].value_counts().to_dict() == {"neutral": 24, "anger": 12, "happiness": 12, "sadness": 12}
    assert {"seconds", "digest"} <= set(table.columns)


def test_a_target_that_the_model_was_trained_on_is_one_clear_line(roots):
    with pytest.raises(ValueError, match="was trained on cremad; set target to another corpus") as caught:
        load_target(Experiment(split="random", target="cremad", roots=roots))
    assert "\n" not in str(caught.value)
