"""Training: transformers.Trainer with the paper's settings (section III-D), resumable after a kill."""

import json
import math
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from torch.utils.data import Sampler
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments, logging, set_seed

from sercore.config import Experiment
from sercore.data import SAMPLE_RATE, Collator, Split, UtteranceDataset, class_weights, load_split
from sercore.emotions import EMOTIONS
from sercore.evaluation.metrics import predictions, score
from sercore.training.loss import AdaptiveFocalLoss
from sercore.training.model import build_classifier
from sercore.training.runs import LAST, Run, claim, read_run, write_json, write_table

HISTORY = {
    "epoch": "epoch",
    "loss": "train_loss",
    "eval_loss": "validation_loss",
    "eval_WA": "WA",
    "eval_UA": "UA",
    "eval_macro_f1": "macro_f1",
    "learning_rate": "learning_rate",
    "seconds": "seconds",
}


def fit(experiment: Experiment) -> Run:
    """Trains an experiment and scores it on its test part; a finished run is read, not repeated.

    Killed at any moment and called again, it goes on from its last epoch and ends with the same numbers.

    Raises:
        FileNotFoundError: a corpus is not there.
        ValueError: the run's folder holds another experiment, or the split leaks.
        OSError: the backbone cannot be loaded, or a file cannot be written.
    """
    path = claim(experiment)
    if (path / LAST).is_file():
        return read_run(path)
    split, audio = load_split(experiment)
    set_seed(experiment.seed)
    parts = {
        "train": UtteranceDataset(split.train, audio, experiment.seed if experiment.augment else None),
        "validation": UtteranceDataset(split.validation, audio),
        "test": UtteranceDataset(split.test, audio),
    }
    trainer = _trainer(experiment, path, parts, class_weights(split.train))
    trainer.train(resume_from_checkpoint=_last_checkpoint(path))
    _write_results(trainer, path, split, parts)
    return read_run(path)


class _Trainer(Trainer):
    """Draws the order of an epoch from the seed and the epoch alone, so that a resumed run sees the same batches."""

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        collator = self.data_collator
        heard = self.train_dataset.seconds.clip(max=collator.max_samples / SAMPLE_RATE)
        lengths = heard if collator.length == "longest" else None
        return _EpochSampler(len(self.train_dataset), self.args.train_batch_size, self.args.seed, lengths)


class _EpochSampler(Sampler):
    """A new shuffle every epoch; where lengths are given, utterances of similar length share a batch.

    Length tells emotions apart (sad utterances are long), so batches come in random order and are sorted within
    small pools only: sorted over the whole epoch, training drifts from one emotion to the next and learns nothing.
    """

    POOL = 8  # batches that are sorted together

    def __init__(self, count: int, batch_size: int, seed: int, lengths: np.ndarray | None):
        self.count, self.batch_size, self.seed, self.lengths, self.epoch = count, batch_size, seed, lengths, 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self):
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(self.count)
        if self.lengths is None:
            return iter(order.tolist())
        whole = self.count // self.batch_size * self.batch_size
        pools = np.split(order[:whole], range(self.POOL * self.batch_size, whole, self.POOL * self.batch_size))
        sorted_pools = np.concatenate([pool[self.lengths[pool].argsort(kind="stable")] for pool in pools])
        batches = random.permutation(sorted_pools.reshape(-1, self.batch_size))
        return iter([*batches.ravel().tolist(), *order[whole:].tolist()])


class _Progress(TrainerCallback):
    """Times each epoch, writes the history so far, and prints one line where there is no terminal for bars."""

    def __init__(self, path: Path, experiment: Experiment):
        self.path, self.label = path, f"{experiment.arm} {experiment.part}"

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.began = time.perf_counter()

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        seconds = round(time.perf_counter() - self.began, 1)
        state.log_history[-1]["seconds"] = seconds
        history = _history(state)
        write_table(self.path / "history.csv", history)
        if args.disable_tqdm:
            last, left = history.iloc[-1], (args.num_train_epochs - len(history)) * seconds / 60
            print(
                f"{self.label} · epoch {len(history)}/{args.num_train_epochs:g} · loss {last.train_loss:.3f} · "
                f"validation UA {last.UA:.3f} (best {history.UA.max():.3f}) · {seconds:.0f} s, at most {left:.0f} min left",
                flush=True,
            )


def _trainer(experiment: Experiment, path: Path, parts: dict[str, UtteranceDataset], weights: list[float]) -> Trainer:
    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(path / "checkpoints"),
        num_train_epochs=experiment.epochs,
        per_device_train_batch_size=max(1, experiment.batch_size // max(1, torch.cuda.device_count())),
        per_device_eval_batch_size=experiment.batch_size,
        learning_rate=experiment.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=_warmup_steps(experiment, len(parts["train"])),
        weight_decay=experiment.weight_decay,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="UA",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        seed=experiment.seed,
        bf16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
        dataloader_num_workers=experiment.workers,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        disable_tqdm=not sys.stderr.isatty(),
        report_to="none",
    )
    loss = AdaptiveFocalLoss(weights, experiment.gamma, experiment.label_smoothing)
    trainer = _Trainer(
        model=build_classifier(experiment.backbone),
        args=arguments,
        data_collator=Collator(experiment.length, experiment.max_seconds),
        train_dataset=parts["train"],
        eval_dataset=parts["validation"],
        compute_loss_func=lambda outputs, labels, **_: loss.to(labels.device)(outputs.logits, labels),
        compute_metrics=_metrics,
        callbacks=[EarlyStoppingCallback(experiment.patience), _Progress(path, experiment)],
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.disable_tqdm:
        logging.disable_progress_bar()
    return trainer


def _warmup_steps(experiment: Experiment, utterances: int) -> int:
    return round(experiment.warmup_ratio * experiment.epochs * math.ceil(utterances / experiment.batch_size))


def _metrics(prediction) -> dict[str, float]:
    names = np.array(EMOTIONS)
    scores = score(names[prediction.label_ids], names[prediction.predictions.argmax(-1)])
    return {name: scores[name] for name in ("WA", "UA", "macro_f1")}


def _history(state) -> pd.DataFrame:
    """One row per epoch from the trainer's log, where training and validation are separate entries."""
    rows: dict[float, dict] = {}
    for entry in state.log_history:
        if "loss" in entry or "eval_loss" in entry:
            rows.setdefault(entry["epoch"], {}).update(entry)
    table = pd.DataFrame(rows.values()).reindex(columns=list(HISTORY)).rename(columns=HISTORY)
    return table.assign(epoch=table["epoch"].round().astype(int))


def _last_checkpoint(path: Path) -> str | None:
    """The newest whole checkpoint; the trainer writes its state last, so one without it was cut off by a kill."""
    found = sorted((path / "checkpoints").glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    for folder in reversed(found):
        try:
            json.loads((folder / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(folder)
        else:
            return str(folder)
    return None


def _write_results(trainer: Trainer, path: Path, split: Split, parts: dict[str, UtteranceDataset]) -> None:
    history = _history(trainer.state)
    write_table(path / "history.csv", history)
    tables = {name: _predictions(trainer, getattr(split, name), parts[name]) for name in ("validation", "test")}
    write_table(path / "predictions.csv", tables["test"])
    shutil.rmtree(path / "model.part", ignore_errors=True)
    shutil.rmtree(path / "model", ignore_errors=True)
    trainer.save_model(str(path / "model.part"))
    (path / "model.part").rename(path / "model")
    results = {name: score(table["truth"], table["predicted"]) for name, table in tables.items()}
    results |= {"best_epoch": int(history["epoch"][history["UA"].argmax()]), "epochs": len(history)}
    write_json(path / LAST, results)
    shutil.rmtree(path / "checkpoints")


def _predictions(trainer: Trainer, part: pd.DataFrame, dataset: UtteranceDataset) -> pd.DataFrame:
    probabilities = softmax(trainer.predict(dataset).predictions.astype(np.float64), axis=-1)
    if not np.isfinite(probabilities).all():
        raise ValueError("the model's outputs are not finite; lower learning_rate.")
    return predictions(part, probabilities)
