"""Training throughput of the student: augmentation drawn item by item against cached views, interleaved in one run.

python workflow/throughput.py        # the corpora of the profile `small` must be there
"""

import statistics
import time
from itertools import cycle, islice

import numpy as np
import torch

from sercore.audio_files import read_audio
from sercore.data import Collator, UtteranceDataset, class_weights, load_split, preprocess
from sercore.experiment import Experiment
from sercore.training import AdaptiveFocalLoss, build_classifier
from sercore.training.teacher_views import LOUDEST
from sercore.training.trainer import EpochSampler

ROUNDS, BATCHES, SIZE = 5, 8, 32
RATE = 2e-4


class Decoding(UtteranceDataset):
    """Without the audio cache: every item is decoded and preprocessed when it is asked for."""

    def __init__(self, part, audio, augmentation):
        super().__init__(part, audio, augmentation)
        self.paths = part["path"].to_numpy()

    def __getitem__(self, index):
        waveform = self.draw(preprocess(read_audio(self.paths[index])), (self.seed, self.epoch, index))
        return {"input_values": waveform, "labels": int(self.labels[index])}


class Cached(UtteranceDataset):
    """One view of each item drawn beforehand and kept in 16 bits, as distillation keeps its views."""

    def __init__(self, part, audio, augmentation):
        super().__init__(part, audio, augmentation)
        plain = (self.audio[int(row)]["waveform"] for row in self.rows)
        self.kept = [np.rint(self.draw(one, (0, 0, row)) * LOUDEST).astype(np.int16) for row, one in enumerate(plain)]

    def __getitem__(self, index):
        return {"input_values": self.kept[index].astype(np.float32) / LOUDEST, "labels": int(self.labels[index])}


PIPELINES = {
    "decoded, paper": (Decoding, "paper"),
    "audio cache, paper": (UtteranceDataset, "paper"),
    "audio cache, views": (UtteranceDataset, "views"),
    "cached views": (Cached, "views"),
}


def utterances_per_second(dataset, order, collate, step) -> float:
    """Over one round of batches; `step` does the model's part, or nothing."""
    started = time.perf_counter()
    for batch in order:
        step(collate([dataset[index] for index in batch]))
    return sum(map(len, order)) / (time.perf_counter() - started)


def training_step(experiment, train):
    """A closure that trains the student on one batch."""
    model = build_classifier("student-scratch").train()
    loss = AdaptiveFocalLoss(class_weights(train), experiment.gamma, experiment.label_smoothing)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)

    def step(batch):
        labels = batch.pop("labels")
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=experiment.bfloat16):
            logits = model(**batch).logits
        loss(logits, labels).backward()
        optimizer.step()

    return step


def main() -> None:
    """Prints utterances per second, median over the rounds, of the batches alone and of whole training steps."""
    experiment = Experiment.from_profile("small", split="disjoint")
    split, audio = load_split(experiment)
    train = split.train[: SIZE * ROUNDS * BATCHES].reset_index(drop=True)
    datasets = {name: kind(train, audio, augmentation) for name, (kind, augmentation) in PIPELINES.items()}
    collate = Collator(experiment.length, experiment.max_seconds)
    order = list(EpochSampler(len(train), SIZE, 0, train["seconds"].to_numpy()))
    batches = cycle([order[start : start + SIZE] for start in range(0, len(order) - SIZE + 1, SIZE)])
    work = {"batches alone": lambda batch: None, "whole steps": training_step(experiment, train)}
    print(f"student, batches of {SIZE}, {torch.get_num_threads()} threads, {ROUNDS} rounds of {BATCHES} batches")
    for name, step in work.items():
        rates = {pipeline: [] for pipeline in datasets}
        for _ in range(ROUNDS):
            chosen = list(islice(batches, BATCHES))
            for pipeline, dataset in datasets.items():
                rates[pipeline].append(utterances_per_second(dataset, chosen, collate, step))
        for pipeline, values in rates.items():
            ratio = statistics.median(a / b for a, b in zip(values, rates["audio cache, paper"], strict=True))
            print(f"{name:13} {pipeline:18} {statistics.median(values):6.1f} utterances/s · {ratio:.2f} x the second")


if __name__ == "__main__":
    main()
