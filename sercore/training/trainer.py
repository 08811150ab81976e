"""Training: transformers.Trainer with the paper's settings (section III-D), resumable after a kill."""

import json
import math
import shutil
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import torch
import transformers
from scipy.special import softmax
from threadpoolctl import threadpool_limits
from torch import nn
from transformers.integrations import TensorBoardCallback, get_available_reporting_integrations

from sercore import paths
from sercore.data import Collator, Split, UtteranceDataset, class_weights, load_split
from sercore.evaluation.metrics import score, score_dimensions, tabulate_predictions, tabulate_ratings
from sercore.experiment import Experiment
from sercore.labels import DIMENSIONS, EMOTIONS
from sercore.training.adapter import add_adapter, interpolate, save_adapter, scale_adapter
from sercore.training.ccc_loss import ConcordanceLoss
from sercore.training.embeddings import pool_utterances
from sercore.training.focal_loss import AdaptiveFocalLoss
from sercore.training.model import build_classifier, build_regressor
from sercore.training.regression_head import balance_corpora, choose_head, write_head
from sercore.training.runs import LAST, Run, claim, explain_full_disk, find_recorded, hold, read_run, run_folder

POOL = 8  # batches that are sorted together by length
SCORES = {"categorical": ("WA", "UA", "macro_f1"), "dimensional": ("CCC", *(f"CCC_{name}" for name in DIMENSIONS))}
GUIDES = {"categorical": "UA", "dimensional": "CCC"}  # the validation score that chooses the epoch and ends training


def train(experiment: Experiment) -> Run:
    """Trains an experiment and scores it on its test part; a finished or recorded run is read, not repeated.

    Killed at any moment and called again, it goes on from its last epoch and ends with the same numbers.

    Raises:
        FileNotFoundError: a corpus is not there, or its utterances without their audio.
        ValueError: the run's folder holds another experiment, or the split leaks.
        OSError: the backbone cannot be loaded, or a file cannot be written.
    """
    if recorded := find_recorded(experiment):
        return read_run(recorded)
    path = run_folder(experiment)
    with explain_full_disk(path), hold(path):
        claim(experiment)
        if not (path / LAST).is_file():
            threads = json.loads((path / "environment.json").read_text())["threads"]
            with threadpool_limits(threads):  # of BLAS and PyTorch: sums in another order are other numbers
                _fit(experiment, path)
    return read_run(path)


def _fit(experiment: Experiment, path: Path) -> None:
    if (watcher := experiment.report_to) != "none" and watcher not in get_available_reporting_integrations():
        raise ImportError(f"report_to is {watcher!r}, which is not installed: pip install {watcher}, or leave it out.")
    split, audio = load_split(experiment)
    if audio is None:
        needed = " and ".join(f"SERCORE_{name.upper()}" for name in experiment.corpora)
        raise FileNotFoundError(f"{path.name} is not recorded, and training needs audio: set {needed}.")
    transformers.set_seed(experiment.seed)
    trainer = build_trainer(experiment, path, split, audio)
    trainer.train(resume_from_checkpoint=_last_checkpoint(path))
    if watcher == "wandb":  # else what this process trains next goes into the same run of it
        import_module(watcher).finish()
    _write_results(trainer.model, experiment, path, split, audio)


class EpochSampler(torch.utils.data.Sampler):
    """A new shuffle every epoch, from the seed and the epoch alone, so that a resumed run sees the same batches.

    With lengths (utterances,), similar ones share a batch. Length tells emotions apart (sad utterances are long), so
    they are sorted within small pools only and batches are shuffled: else training drifts from emotion to emotion.
    """

    def __init__(self, count: int, batch_size: int, seed: int, lengths: np.ndarray | None):
        self.count, self.batch_size, self.seed, self.lengths, self.epoch = count, batch_size, seed, lengths, 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:  # called by the data loader
        self.epoch = epoch

    def __iter__(self):
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(self.count)
        if self.lengths is not None:
            whole = order[: self.count // self.batch_size * self.batch_size]  # a view, without the last, smaller batch
            pools = np.arange(len(whole)) // (POOL * self.batch_size)
            batches = whole[np.lexsort((self.lengths[whole], pools))].reshape(-1, self.batch_size)
            whole[:] = random.permutation(batches).ravel()
        return iter(order.tolist())


class _Progress(transformers.TrainerCallback):
    """Times each epoch, and writes the history so far and a line of it for people."""

    def __init__(self, path: Path, experiment: Experiment):
        self.path, self.label, self.guide = path, f"{experiment.arm} {experiment.part}", GUIDES[experiment.task]
        scores, rest = SCORES[experiment.task], ("learning_rate", "seconds")
        self.columns = ["train_loss", "validation_loss", *scores, *rest]  # of history.csv
        self.logged = ["loss", "eval_loss", *(f"eval_{name}" for name in scores), *rest]  # the same in a log

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.began = time.perf_counter()

    def on_evaluate(self, args, state, control, **kwargs):
        state.log_history[-1]["seconds"] = round(time.perf_counter() - self.began, 1)
        log = pd.DataFrame(state.log_history).groupby("epoch")[self.logged].first()  # an entry each of both losses
        history = log.set_axis(self.columns, axis=1).reset_index().round({"epoch": 0}).astype({"epoch": int})
        with paths.whole_file(self.path / "history.csv") as part:
            history.to_csv(part, index=False)
        last, scores = history.iloc[-1], history[self.guide]
        line = (
            f"{self.label} · epoch {len(history)}/{args.num_train_epochs:g} · loss {last.train_loss:.3f} · "
            f"validation {self.guide} {scores.iloc[-1]:.3f} (best {scores.max():.3f}) · {last.seconds:.0f} s, "
            f"at most {(args.num_train_epochs - len(history)) * last.seconds / 60:.0f} min left"
        )
        with open(self.path.parent / "progress.log", "a", encoding="utf-8") as log:
            print(line, file=log)
        if args.disable_tqdm:
            print(line, flush=True)


def build_trainer(experiment: Experiment, path: Path, split: Split, audio: datasets.Dataset) -> transformers.Trainer:
    """Makes the trainer of a run, with its augmentation, loss, schedule and order of utterances."""
    if experiment.task == "dimensional":
        loss, model = ConcordanceLoss(), build_regressor(experiment.backbone)
    else:
        loss = AdaptiveFocalLoss(class_weights(split.train), experiment.gamma, experiment.label_smoothing)
        model = build_classifier(experiment.backbone)
    trainer = transformers.Trainer(
        model=add_adapter(model, experiment.adapter_rank) if experiment.adapter_rank else model,
        args=_set_arguments(experiment, path, len(split.train)),
        data_collator=Collator(experiment.length, experiment.max_seconds),
        train_dataset=UtteranceDataset(split.train, audio, experiment.augmentation, experiment.seed, experiment.task),
        eval_dataset=UtteranceDataset(split.validation, audio, task=experiment.task),
        compute_loss_func=lambda outputs, labels, **_: loss.to(labels.device)(outputs.logits, labels),
        compute_metrics=_score_epoch,
        callbacks=[transformers.EarlyStoppingCallback(experiment.patience), _Progress(path, experiment)],
    )
    seconds = trainer.train_dataset.seconds.clip(max=experiment.max_seconds)
    lengths = seconds if experiment.length == "longest" else None
    sampler = EpochSampler(len(seconds), trainer.args.train_batch_size, experiment.seed, lengths)
    trainer._get_train_sampler = lambda *_: sampler  # no argument takes one
    trainer.remove_callback(transformers.PrinterCallback)
    if board := trainer.pop_callback(TensorBoardCallback):
        board.logging_dir = str(path / "tensorboard")  # else among the checkpoints, which are removed in the end
        trainer.add_callback(board)
    if trainer.args.disable_tqdm:
        transformers.logging.disable_progress_bar()
    return trainer


def _set_arguments(experiment: Experiment, path: Path, utterances: int) -> transformers.TrainingArguments:
    steps_per_epoch = math.ceil(utterances / experiment.batch_size)
    epochs = math.ceil(experiment.steps / steps_per_epoch) or experiment.epochs
    mixed = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return transformers.TrainingArguments(
        output_dir=str(path / "checkpoints"),
        report_to=experiment.report_to,
        run_name=f"{experiment.profile}/{path.name}",  # as "wandb" shows it
        num_train_epochs=epochs,
        per_device_train_batch_size=max(1, experiment.batch_size // max(1, torch.cuda.device_count())),
        per_device_eval_batch_size=experiment.batch_size,
        learning_rate=experiment.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(experiment.warmup_ratio * epochs * steps_per_epoch),
        weight_decay=experiment.weight_decay,
        **dict.fromkeys(("eval_strategy", "save_strategy", "logging_strategy"), "epoch"),
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=GUIDES[experiment.task],
        restore_callback_states_from_checkpoint=True,
        seed=experiment.seed,
        bf16=mixed or experiment.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        label_names=["labels"],
        dataloader_num_workers=experiment.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=not sys.stderr.isatty(),
    )


def _score_epoch(prediction) -> dict[str, float]:
    if prediction.label_ids.ndim > 1:  # ratings
        return score_dimensions(prediction.label_ids, prediction.predictions)
    names = np.array(EMOTIONS)
    scores = score(names[prediction.label_ids], names[prediction.predictions.argmax(-1)])
    return {name: scores[name] for name in SCORES["categorical"]}


def _last_checkpoint(path: Path) -> str | None:
    """The newest whole checkpoint; the trainer writes its state last, so one without it was cut off by a kill."""
    folders = {}
    for file in path.glob("checkpoints/*/trainer_state.json"):
        with suppress(ValueError):
            folders[json.loads(file.read_text(encoding="utf-8"))["global_step"]] = str(file.parent)
    return folders[max(folders)] if folders else None


def _write_results(model: nn.Module, experiment: Experiment, path: Path, split: Split, audio: datasets.Dataset) -> None:
    if experiment.adapter_rank:
        scale_adapter(model, experiment.interpolation)
    elif experiment.interpolation < 1:
        interpolate(model, build_classifier(experiment.backbone), experiment.interpolation)
    needed = ("validation", "test") if experiment.head == "trained" else ("train", "validation", "test")
    parts = {name: getattr(split, name) for name in needed}
    pooled = {name: pool_utterances(model, experiment, part, audio) for name, part in parts.items()}
    if experiment.head == "regression":
        known = [(pooled[name], parts[name]["emotion"].map(EMOTIONS.index)) for name in ("train", "validation")]
        write_head(model.classifier, choose_head(*known, balance_corpora(split.train["corpus"])))
    if experiment.adapter_rank:
        save_adapter(model, path / "adapter")
        model = model.merge_and_unload()
    head = model.classifier.weight.detach().cpu().numpy(), model.classifier.bias.detach().cpu().numpy()
    found = {name: _predict(pooled[name], head, parts[name], experiment.task) for name in ("validation", "test")}
    with paths.whole_file(path / "predictions.csv") as part:
        found["test"][0].to_csv(part, index=False)
    model.save_pretrained(path / "checkpoints" / "model")
    shutil.rmtree(path / "model", ignore_errors=True)
    (path / "checkpoints" / "model").rename(path / "model")
    history = pd.read_csv(path / "history.csv")
    results = {name: scores for name, (_, scores) in found.items()}
    results |= {"best_epoch": int(history["epoch"][history[GUIDES[experiment.task]].argmax()]), "epochs": len(history)}
    paths.write_json(path / LAST, results | {"parameters": model.num_parameters()})
    shutil.rmtree(path / "checkpoints")


def _predict(pooled: np.ndarray, head: tuple, part: pd.DataFrame, task: str) -> tuple[pd.DataFrame, dict]:
    """Predictions of a part, and their scores."""
    outputs = pooled.astype(np.float64) @ head[0].T + head[1]
    if not np.isfinite(outputs).all():
        raise ValueError("the model's outputs are not finite; lower learning_rate.")
    if task == "dimensional":
        table = tabulate_ratings(part, outputs)
        return table, score_dimensions(table.filter(like="y_true"), table.filter(like="y_pred"))
    table = tabulate_predictions(part, softmax(outputs, axis=1))
    return table, score(table["y_true"], table["y_pred"])
