"""Training throughput: the cached pipeline against decoding and preprocessing every epoch, interleaved in one run.

python workflow/throughput.py open        # a profile; its corpora must be there
"""

import statistics
import sys
import time
from itertools import cycle, islice

import torch

from sercore.audio_files import read_audio
from sercore.data import Collator, UtteranceDataset, augment, class_weights, load_split, preprocess
from sercore.experiment import Experiment
from sercore.training import AdaptiveFocalLoss, build_classifier
from sercore.training.trainer import EpochSampler

ROUNDS, BATCHES = 5, 12


class Decoding(UtteranceDataset):
    """The same items without the cache: every one is decoded and preprocessed when it is asked for."""

    def __init__(self, part, audio, seed):
        super().__init__(part, audio, seed)
        self.paths = part["path"].to_numpy()

    def __getitem__(self, index):
        waveform = preprocess(read_audio(self.paths[index]))
        return {"input_values": augment(waveform, (self.seed, self.epoch, index)), "labels": int(self.labels[index])}


def utterances_per_second(dataset, order, collate, step) -> float:
    """Over one round of batches; `step` does the model's part, or nothing."""
    started = time.perf_counter()
    for batch in order:
        step(collate([dataset[index] for index in batch]))
    return sum(map(len, order)) / (time.perf_counter() - started)


def training_step(experiment, train):
    """A closure that trains on one batch."""
    model = build_classifier(experiment.backbone).train()
    loss = AdaptiveFocalLoss(class_weights(train), experiment.gamma, experiment.label_smoothing)
    optimizer = torch.optim.AdamW(model.parameters(), lr=experiment.learning_rate)

    def step(batch):
        labels = batch.pop("labels")
        optimizer.zero_grad()
        loss(model(**batch).logits, labels).backward()
        optimizer.step()

    return step


def main(profile: str) -> None:
    """Prints utterances per second, median over the rounds, of the batches alone and of whole training steps."""
    experiment = Experiment.from_profile(profile)
    split, audio = load_split(experiment)
    pipelines = {kind.__name__: kind(split.train, audio, experiment.seed) for kind in (UtteranceDataset, Decoding)}
    collate = Collator(experiment.length, experiment.max_seconds)
    order = list(EpochSampler(len(split.train), experiment.batch_size, 0, split.train["seconds"].to_numpy()))
    size = experiment.batch_size
    batches = cycle([order[start : start + size] for start in range(0, len(order), size)])
    work = {"batches only": lambda batch: None, "training": training_step(experiment, split.train)}
    threads = torch.get_num_threads()
    print(f"{experiment.arm}, {experiment.backbone}, {threads} threads, {ROUNDS} rounds of {BATCHES} batches")
    for name, step in work.items():
        rates = {kind: [] for kind in pipelines}
        for _ in range(ROUNDS):
            chosen = list(islice(batches, BATCHES))
            for kind, dataset in pipelines.items():
                rates[kind].append(utterances_per_second(dataset, chosen, collate, step))
        cached, decoding = (statistics.median(rates[kind]) for kind in pipelines)
        ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
        print(
            f"{name:13} cached {cached:6.1f} utterances/s · decoding {decoding:6.1f} utterances/s · ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "demo")
