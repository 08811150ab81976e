"""From an experiment to batches: the split's tables with their audio, augmented and brought to one length."""

import datasets
import librosa
import numpy as np
import pandas as pd
import torch

from sercore import paths
from sercore.audio_files import SAMPLE_RATE
from sercore.data.audio_cache import cache_audio, find_suspicious
from sercore.data.augmentation import augment
from sercore.data.corpora import load_corpus
from sercore.data.splits import Split, loso_split, production_split
from sercore.data.views import draw_view
from sercore.experiment import Experiment
from sercore.labels import DIMENSIONS, EMOTIONS

DRAWS = {"paper": augment, "views": draw_view}  # by the setting `augmentation`
MIN_SECONDS = 0.12  # shorter utterances are padded to it: the smallest backbones need 1,888 samples for one frame


def load_split(experiment: Experiment) -> tuple[Split, datasets.Dataset | None]:
    """Who trains, validates and tests in an experiment, and the audio of all its utterances, as of `load_utterances`.

    Raises:
        FileNotFoundError: a corpus is not there.
        ValueError: a leak, an unreadable file where `broken` is "stop", or no ratings for the task "dimensional".
    """
    tables, audio = zip(*(load_utterances(name, experiment) for name in experiment.corpora), strict=True)
    if experiment.split == "loso":
        split = loso_split(tables[0], experiment.fold, *tables[1:])
    else:
        split = production_split(pd.concat(tables), experiment.seed, experiment.split == "disjoint")
    return split, None if any(one is None for one in audio) else datasets.concatenate_datasets(list(audio))


def load_target(experiment: Experiment) -> tuple[pd.DataFrame, datasets.Dataset | None]:
    """The corpus that a production model is tested on, whole (section V-B), and its audio, as of `load_utterances`.

    Raises:
        FileNotFoundError: the corpus is not there.
        ValueError: the experiment trains on it.
    """
    if experiment.target in experiment.corpora:
        raise ValueError(f"{experiment.name} was trained on {experiment.target}; set target to another corpus.")
    return load_utterances(experiment.target, experiment)


def load_utterances(name: str, experiment: Experiment) -> tuple[pd.DataFrame, datasets.Dataset | None]:
    """A corpus as an experiment uses it, and its audio; on a machine without it, its recorded table and None.

    Raises:
        FileNotFoundError: it is not there, nor recorded.
        ValueError: an unreadable file where `broken` is "stop", or no ratings for the task "dimensional".
    """
    try:
        table, here = load_corpus(name, experiment.root(name), experiment.calm), True
    except paths.CorpusAbsent:
        file = paths.recorded_root(experiment.profile) and paths.recorded_utterances(name)
        if experiment.synthetic or experiment.calm != "neutral" or not file or not file.is_file():
            raise
        table, here = pd.read_csv(file, dtype={"speaker": str, "digest": str}).assign(path=""), False
        table["digest"] = table["digest"].fillna("")  # of silent ones
        table.attrs["left_out"] = {}
    if experiment.task == "dimensional" and not {*DIMENSIONS} <= {*table}:
        raise ValueError(f"{name} has no ratings of {', '.join(DIMENSIONS)}; set primary to iemocap, permanent to ''.")
    table, audio = cache_audio(table) if here else (table, None)
    unreadable = {reason: names for reason, names in table.attrs["left_out"].items() if reason.startswith("unreadable")}
    for reason, names in unreadable.items():
        print(f"{name}: left out {len(names)} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''}): {reason}")
    if unreadable and experiment.broken == "stop":
        raise ValueError(f"{name}: {sum(map(len, unreadable.values()))} unreadable files, and broken is 'stop'.")
    if experiment.drop_suspicious:
        table = table[~table["utterance"].isin(find_suspicious(table)["utterance"])].reset_index(drop=True)
    return table, audio


class UtteranceDataset(torch.utils.data.Dataset):
    """One part of a split as model input.

    Args:
        part: table of utterances.
        audio: from `cache_audio`; holds at least those utterances.
        augmentation, task: as of `Experiment`.
        seed: of the augmentation.
    """

    def __init__(self, part: pd.DataFrame, audio: datasets.Dataset, augmentation="none", seed=0, task="categorical"):
        self.rows = pd.Series(range(len(audio)), list(audio["utterance"])).reindex(part["utterance"]).to_numpy()
        emotions = part["emotion"].map(EMOTIONS.index).to_numpy()
        self.labels = emotions if task == "categorical" else part[[*DIMENSIONS]].to_numpy(np.float32)
        self.seconds = part["seconds"].to_numpy()
        self.audio, self.draw, self.seed, self.epoch = audio, DRAWS.get(augmentation), seed, 0

    def __len__(self) -> int:
        return len(self.rows)

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader: every epoch draws its own augmentation."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict:
        waveform = self.audio[int(self.rows[index])]["waveform"]
        if self.draw is not None:
            waveform = self.draw(waveform, (self.seed, self.epoch, index))
        return {"input_values": waveform, "labels": self.labels[index]}


class Collator:
    """Brings the utterances of a batch to one length.

    Args:
        length: "fixed" pads with zeros to `max_seconds` and masks nothing, as the paper does; "longest" pads to
            the longest utterance and masks the padding, so that pooling skips it.
        max_seconds: longer utterances are cut.
    """

    def __init__(self, length: str, max_seconds: float):
        self.length, self.max_samples = length, round(max_seconds * SAMPLE_RATE)

    def __call__(self, items: list[dict]) -> dict[str, torch.Tensor]:
        """Makes input_values (batch, samples), labels (batch[, dimensions]), for "longest" attention_mask too."""
        waveforms = [item["input_values"] for item in items]
        lengths = np.clip(list(map(len, waveforms)), round(MIN_SECONDS * SAMPLE_RATE), self.max_samples)
        width = self.max_samples if self.length == "fixed" else lengths.max()
        values = np.stack([librosa.util.fix_length(waveform, size=width) for waveform in waveforms])
        batch = {"input_values": values, "labels": np.array([item["labels"] for item in items])}
        if self.length == "longest":
            batch["attention_mask"] = (np.arange(width) < lengths[:, None]).astype(np.int64)
        return {name: torch.from_numpy(values) for name, values in batch.items()}
