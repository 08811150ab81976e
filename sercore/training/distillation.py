"""Distillation: a student of our own that predicts what two teachers make of speech, much of it without labels.

As DistilHuBERT is made (Chang et al., ICASSP 2022), the student predicts its teacher's layers; here their moments over
time, since the head pools them, and beside the frozen teacher a fine-tuned one: its embedding and its probabilities.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import r2_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sercore import paths
from sercore.evaluation.metrics import score
from sercore.labels import EMOTIONS
from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig
from sercore.training.model import LABELS, STUDENT
from sercore.training.runs import Run, describe_environment
from sercore.training.teacher_views import BFLOAT16, TARGETS, TEACHING, Distillation, Views, collate, make_views
from sercore.training.trainer import EpochSampler

MOMENTS = tuple(f"{part}, {layer} layer" for layer in ("last but one", "last") for part in ("mean", "deviation"))
CLIP_NORM = 1.0  # of the gradient
STATES = ("learner", "average", "muon", "adamw", "muon_schedule", "adamw_schedule")  # of a checkpoint


def distil(run: Run, settings: Distillation | None = None) -> Path:
    """Distils a student from the model of a run and its backbone as it was; a finished student is found, not repeated.

    Killed at any moment and called again, it goes on from its last view or epoch and ends with the same numbers.

    Args:
        run: finished; its training speakers alone are shown, with their utterances of other emotions where
            SERCORE_CREMAD_UNLABELLED or the corpus itself has them.

    Returns:
        The folder: settings.json, environment.json, history.csv (by epoch: loss, shares of the targets' variance that
        are predicted on speakers not shown, of clips as they are and of views, and UA), targets.csv (the same shares
        by part of a target), model/ (the student).

    Raises:
        FileNotFoundError: a corpus is not there.
        ValueError: the folder holds another student.
        OSError: a teacher cannot be loaded, or a file cannot be written.
    """
    settings = settings or Distillation()
    folder = paths.runs_root() / run.experiment.profile / settings.name
    described = asdict(settings) | {"teacher": run.digest, "sentences": len(paths.find_sentences())}
    if (file := folder / "settings.json").is_file():
        there = json.loads(file.read_text())
        if different := [name for name in described if there.get(name) != described[name]]:
            raise ValueError(f"{folder} holds another student ({', '.join(different)}). Move or remove that folder.")
    else:
        paths.write_json(folder / "environment.json", describe_environment())
        paths.write_json(file, described)
    if not (folder / "model").is_dir():
        _train(folder, settings, *make_views(run, settings))
    return folder


class Learner(nn.Module):
    """A student with what it predicts the teachers by: linear layers on its embedding, dropped in the end."""

    def __init__(self, geometry: dict, shown: list[Views]):
        super().__init__()
        self.student = LogMelClassifier(LogMelConfig(**geometry, **LABELS))
        width, self.projections = self.student.classifier.in_features, nn.ModuleDict()
        for name in TARGETS[:2]:
            known = np.concatenate([view.targets[name] for view in shown]).astype(np.float32)
            self.projections[name] = nn.Linear(width, known.shape[1])
            self.register_buffer(f"{name}_mean", torch.from_numpy(known.mean(0)))
            self.register_buffer(f"{name}_scale", torch.from_numpy(known.std(0) + 1e-5))

    def forward(self, input_values: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """TARGETS as the student predicts them, (batch, ...), moments and embedding standardised."""
        embedding = self.student.norm(self.student.pool_layers(input_values, attention_mask)[-1])
        predicted = {name: layer(embedding) for name, layer in self.projections.items()}
        return predicted | {"logits": self.student.classifier(self.student.dropout(embedding))}

    def standardise(self, name: str, target: np.ndarray) -> Tensor:
        """A target (batch, ...), moments or embedding, on the scale of the prediction."""
        return (torch.from_numpy(target).float() - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_scale")


def _measure_loss(learner: Learner, settings: Distillation, predicted: dict, target: dict, labels: Tensor) -> Tensor:
    weighted = [
        getattr(settings, name) * mse_loss(predicted[name].float(), learner.standardise(name, target[name]))
        for name in TARGETS[:2]
    ]
    logits, warmth = predicted["logits"].float(), settings.temperature
    soft = [(part / warmth).log_softmax(-1) for part in (logits, torch.from_numpy(target["logits"]).float())]
    weighted.append(settings.probabilities * warmth**2 * kl_div(*soft, log_target=True, reduction="batchmean"))
    if (labels >= 0).any():
        weighted.append(settings.labels * cross_entropy(logits, labels, ignore_index=-1))
    return sum(weighted)


def _train(folder: Path, settings: Distillation, shown: list[Views], others: list[Views]) -> None:
    torch.manual_seed(settings.seed)
    learner = Learner(json.loads(settings.geometry or json.dumps(STUDENT)), shown)
    average = AveragedModel(learner, multi_avg_fn=get_ema_multi_avg_fn(settings.average))
    optimizers = _make_optimizers(learner, settings)
    cycle = settings.learning_rate, settings.epochs * (len(shown[0].labels) // settings.batch_size)
    schedules = [torch.optim.lr_scheduler.OneCycleLR(one, *cycle, cycle_momentum=False) for one in optimizers]
    parts = dict(zip(STATES, (learner, average, *optimizers, *schedules), strict=True))
    history, file = [], folder / "checkpoint.pt"
    if file.is_file():
        saved = torch.load(file, weights_only=False)
        history = saved.pop("history")
        for name, state in saved.items():
            parts[name].load_state_dict(state)
    for epoch in range(len(history), settings.epochs):
        began = time.perf_counter()
        loss = _train_epoch(settings, epoch, shown, learner, average, optimizers, schedules)
        row = {"epoch": epoch + 1, "loss": loss}
        for suffix, view in zip(("", "_views"), others, strict=True):
            explained, scores = _measure_student(average.module, view)
            row |= {f"{name}_R2{suffix}": values.mean() for name, values in explained.items()}
            row |= {} if suffix else {"UA": scores["UA"]}
        history.append(row := row | {"seconds": round(time.perf_counter() - began, 1)})
        with paths.whole_file(folder / "history.csv") as part:
            pd.DataFrame(history).round(4).to_csv(part, index=False)
        with paths.whole_file(file) as part:
            torch.save({name: one.state_dict() for name, one in parts.items()} | {"history": history}, part)
        line = f"{settings.name} · epoch {epoch + 1}/{settings.epochs} · loss {loss:.3f} · UA of others {row['UA']:.3f}"
        print(f"{line} · about {(settings.epochs - epoch - 1) * row['seconds'] / 60:.0f} min left", flush=True)
    _write_student(folder, average.module, others)


def _make_optimizers(learner: Learner, settings: Distillation) -> tuple[torch.optim.Optimizer, ...]:
    """Muon (Jordan et al. 2024) for the matrices of the layers, AdamW for the rest.

    Of two students of five epochs it left a loss of 3.99, AdamW alone one of 4.48, for seven hundredths more time.
    """
    rates = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    matrices, rest = [], []
    for name, one in learner.named_parameters():
        (matrices if name.startswith("student.layers.") and one.ndim == 2 else rest).append(one)
    return torch.optim.Muon(matrices, **rates, adjust_lr_fn="match_rms_adamw"), torch.optim.AdamW(rest, **rates)


def _train_epoch(settings, epoch, shown, learner, average, optimizers, schedules) -> float:
    """One view of every clip, drawn anew; the mean loss."""
    random, losses = np.random.default_rng((settings.seed, epoch)), []
    torch.manual_seed(int(random.integers(2**31)))  # of masks and dropout
    drawn = random.integers(len(shown), size=len(shown[0].labels))
    lengths = np.stack([view.seconds for view in shown])[drawn, np.arange(len(drawn))]
    sampler = EpochSampler(len(drawn), settings.batch_size, settings.seed, lengths)
    sampler.set_epoch(epoch)
    order = np.array([*sampler])[: len(drawn) // settings.batch_size * settings.batch_size]
    for rows in order.reshape(-1, settings.batch_size):
        batch, labels = collate([shown[drawn[row]][row] for row in rows])
        target = {name: np.stack([shown[drawn[row]].targets[name][row] for row in rows]) for name in TARGETS}
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            predicted = learner.train()(**batch)
        loss = _measure_loss(learner, settings, predicted, target, labels)
        learner.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), CLIP_NORM)
        for one in (*optimizers, *schedules):
            one.step()
        average.update_parameters(learner)
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.inference_mode()
def _measure_student(learner: Learner, view: Views) -> tuple[dict[str, np.ndarray], dict]:
    """Share of the variance of each number of moments and embedding that is predicted; scores, where labelled."""
    rows = {name: [] for name in TARGETS}
    for start in range(0, len(view.labels), TEACHING):
        batch, _ = collate([view[row] for row in range(start, min(start + TEACHING, len(view.labels)))])
        for name, values in learner.eval()(**batch).items():
            rows[name].append(values)
    predicted = {name: torch.cat(values).numpy() for name, values in rows.items()}
    known = {name: learner.standardise(name, view.targets[name]).numpy() for name in TARGETS[:2]}
    explained = {name: r2_score(known[name], predicted[name], multioutput="raw_values") for name in known}
    names, labelled = np.array(EMOTIONS), view.labels >= 0
    return explained, score(names[view.labels[labelled]], names[predicted["logits"].argmax(1)[labelled]])


def _write_student(folder: Path, learner: Learner, others: list[Views]) -> None:
    """The student without its projections, and how well each part of each target is predicted."""
    rows = []
    for clips, view in zip(("as they are", "views"), others, strict=True):
        explained, _ = _measure_student(learner, view)
        parts = dict(zip(MOMENTS, np.split(explained["moments"], len(MOMENTS)), strict=True))
        parts["embedding, fine-tuned"] = explained["embedding"]
        rows += [{"clips": clips, "target": name, "R2": values.mean().round(4)} for name, values in parts.items()]
    with paths.whole_file(folder / "targets.csv") as part:
        pd.DataFrame(rows).to_csv(part, index=False)
    learner.student.save_pretrained(folder / ".model")
    (folder / ".model").rename(folder / "model")
    (folder / "checkpoint.pt").unlink()
