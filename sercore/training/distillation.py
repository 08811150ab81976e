"""Distillation: a student of our own that predicts what two teachers make of speech, much of it without labels.

As DistilHuBERT is made (Chang et al., ICASSP 2022), the student predicts its teacher's layers; here their moments over
time, since the head pools them, and beside the frozen teacher a fine-tuned one: its embedding and its probabilities.
A corpus of twelve sentences teaches sentences. So each clip is shown in views that destroy the sentence and keep the
voice, and the teachers get a view before the channel distorts it, the student after.
"""

import hashlib
import inspect
import json
import shutil
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import r2_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss, pad
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import PreTrainedModel

from sercore import paths
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import Collator, cache_audio, load_corpus, load_split, views
from sercore.data.preprocessing import MAX_SECONDS, preprocess
from sercore.evaluation.metrics import score
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training.log_mel_classifier import LogMelClassifier, LogMelConfig
from sercore.training.model import LABELS, STUDENT, build_classifier, load_classifier
from sercore.training.runs import Run, describe_environment
from sercore.training.trainer import EpochSampler

UNLABELLED = ("disgust", "fear")  # of CREMA-D
SPEEDS = (0.75, 1.33)
LABELLED_LENGTHS = (1 / 1.2, 1.2)  # beyond, a faster or slower view has lost its emotion
TARGETS = ("moments", "embedding", "logits")  # of the frozen teacher, of the fine-tuned one
MOMENTS = tuple(f"{part}, {layer} layer" for layer in ("last but one", "last") for part in ("mean", "deviation"))
LOUDEST = 32767  # of 16 bits
TEACHING = 16  # utterances that a teacher takes at once
WIDTH = 4_000  # samples; batches are as wide as a multiple of it, since each new width costs a processor time
CLIP_NORM = 1.0  # of the gradient
STATES = ("learner", "average", "muon", "adamw", "muon_schedule", "adamw_schedule")  # of a checkpoint
BFLOAT16 = torch.cpu._is_avx512_bf16_supported()  # where it is not, it is slower than float32


@dataclass(frozen=True)
class Distillation:
    """All that defines a student beside its teachers."""

    views: int = 5  # of each clip, the first as it is
    splice: bool = True  # views of two clips, one after the other
    content: bool = True  # views shuffled, reversed, faster or slower
    channel: bool = True  # views through another channel: tilted, in a room, with noise
    undistorted: bool = True  # the teachers get a view before the channel; else what the student gets
    moments: float = 2.0  # weight of the frozen teacher's moments, of its last two layers
    embedding: float = 2.0  # weight of the fine-tuned teacher's embedding
    probabilities: float = 1.0  # weight of its probabilities, softened
    labels: float = 0.3  # weight of the labels, where a view has kept them
    temperature: float = 2.0  # of the probabilities
    epochs: int = 40  # each shows one view of every clip
    speakers: int = 1  # only every so many-th training speaker is shown
    batch_size: int = 32
    learning_rate: float = 1.5e-3  # peak of one cycle, of both optimizers
    weight_decay: float = 0.03
    average: float = 0.998  # decay of the averaged weights, which are the student's
    seed: int = 0
    geometry: str = ""  # of the student, JSON as of LogMelConfig; "" for `STUDENT`

    @property
    def name(self) -> str:
        """`distillation` and what differs from the defaults, of the geometry the width and the layers."""
        changed = [f"{one.name}={getattr(self, one.name)}" for one in fields(self) if one.name != "geometry"]
        shape = json.loads(self.geometry or "{}")
        sizes = [f"{name}={shape[name]}" for name in ("d_model", "encoder_layers") if name in shape]
        return "-".join(["distillation", *(text for text in changed if text not in USUAL), *sizes])


USUAL = {f"{one.name}={one.default}" for one in fields(Distillation)}


def distil(run: Run, settings: Distillation | None = None) -> Path:
    """Distils a student from the model of a run and its backbone as it was; a finished student is found, not repeated.

    Killed at any moment and called again, it goes on from its last view or epoch and ends with the same numbers.

    Args:
        run: finished; its training speakers alone are shown, with their utterances of other emotions where
            SERCORE_CREMAD_UNLABELLED or the corpus itself has them.

    Returns:
        The folder: settings.json, environment.json, history.csv (by epoch: loss, shares of the targets' variance that
        are predicted on validation speakers, of clips as they are and of views, and UA), targets.csv (the same shares
        by part of a target), model/ (the student).

    Raises:
        FileNotFoundError: a corpus is not there.
        ValueError: the folder holds another student.
        OSError: a teacher cannot be loaded, or a file cannot be written.
    """
    settings = settings or Distillation()
    folder = paths.runs_root() / run.experiment.profile / settings.name
    described = asdict(settings) | {"teacher": _digest_teacher(run), "sentences": len(paths.find_sentences())}
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


# Views


@dataclass
class Clips:
    """Preprocessed speech: waveforms, and by clip its speaker and its label (-1 for none)."""

    waveforms: list[np.ndarray]
    speakers: np.ndarray
    labels: np.ndarray


class Views:
    """One view of each clip, mapped from its folder: what the student gets, and what the teachers make of it."""

    def __init__(self, folder: Path):
        self.waveforms = np.load(folder / "waveforms.npy", mmap_mode="r")
        self.ends, self.labels = np.load(folder / "ends.npy"), np.load(folder / "labels.npy")
        self.targets = {name: np.load(folder / f"{name}.npy") for name in TARGETS}
        self.seconds = np.diff(self.ends, prepend=0) / SAMPLE_RATE

    def __getitem__(self, index: int) -> dict:
        waveform = self.waveforms[self.ends[index - 1] if index else 0 : self.ends[index]]
        return {"input_values": waveform.astype(np.float32) / LOUDEST, "labels": self.labels[index]}


def make_views(run: Run, settings: Distillation) -> tuple[list[Views], list[Views]]:
    """Draws and labels the views of training clips, and two of validation clips: as they are, and distorted.

    Each is a folder in the cache, whole or absent, in one whose name changes with teachers, clips, code and settings.
    """
    parts = _load_clips(run.experiment, settings.speakers)
    kinds = [getattr(settings, kind) for kind in ("splice", "content", "channel", "undistorted", "seed")]
    code = [inspect.getsource(one) for one in (views, draw_content, _write_view, _ask_teachers, _pool_last_layers)]
    source = [code, kinds, _digest_teacher(run), run.experiment.identity(), *(len(clips.labels) for clips in parts)]
    folder = paths.cache_root() / f"views-{hashlib.sha1(json.dumps(source).encode()).hexdigest()[:12]}"
    teachers, found = None, []
    for part, clips, count in zip(("train", "validation"), parts, (settings.views, 2), strict=True):
        for number in range(count):
            if not (view := folder / f"{part}-{number}").is_dir():
                teachers = teachers or (build_classifier(run.experiment.backbone), load_classifier(run.path / "model"))
                began = time.perf_counter()
                _write_view(view, clips, number, settings, teachers)
                print(f"{part} view {number + 1}/{count} · {time.perf_counter() - began:.0f} s", flush=True)
        found.append([Views(folder / f"{part}-{number}") for number in range(count)])
    return found[0], found[1]


def draw_content(clips: Clips, index: int, settings: Distillation, random: np.random.Generator) -> tuple:
    """Another content in the same voice, float32 (samples,), and its label, -1 where it has lost it."""
    waveform, label, draw = clips.waveforms[index], clips.labels[index], random.random()
    if settings.splice and draw < 0.5:  # with another clip of this voice and emotion, or with any
        alike = np.flatnonzero((clips.speakers == clips.speakers[index]) & (clips.labels == label))
        other = clips.waveforms[random.choice(alike if draw < 0.25 else len(clips.labels))]
        waveform = np.concatenate([waveform[: len(waveform) // 2], other[len(other) // 2 :]])
        label = label if draw < 0.25 else -1
    elif settings.content and draw < 0.75:
        waveform = views.shuffle_pieces(waveform, random)
    if settings.content and random.random() < 0.12:
        waveform, label = np.ascontiguousarray(waveform[::-1]), -1
    if settings.content and random.random() < 0.75:
        samples, waveform = len(waveform), views.change_speed(waveform, random, SPEEDS)
        label = label if LABELLED_LENGTHS[0] < len(waveform) / samples < LABELLED_LENGTHS[1] else -1
    return waveform, label


def _load_clips(experiment: Experiment, every: int) -> tuple[Clips, Clips]:
    """Training clips with labels, then without; validation clips."""
    split, audio = load_split(experiment)
    shown = sorted(set(split.train["speaker"]))[::every]
    parts = [_gather(part, audio) for part in (split.train[split.train["speaker"].isin(shown)], split.validation)]
    if "cremad" in experiment.corpora:
        try:
            root = experiment.root("cremad") or paths.unlabelled_root()
            table, audio = cache_audio(load_corpus("cremad", root, kept=UNLABELLED))
            more = _gather(table[table["speaker"].isin(shown)], audio)
            parts[0] = _join(parts[0], more)
        except ValueError as reason:
            print(f"no utterances of other emotions: {reason}")
    if files := paths.find_sentences():
        spoken = [preprocess(read_audio(file)) for file in files]
        parts[0] = _join(parts[0], Clips(spoken, np.array([file.stem for file in files]), np.full(len(files), -1)))
    return parts[0], parts[1]


def _join(one: Clips, other: Clips) -> Clips:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return Clips(*(a + b if isinstance(a, list) else np.concatenate([a, b]) for a, b in pairs))


def _gather(part: pd.DataFrame, audio) -> Clips:
    rows = pd.Series(range(len(audio)), list(audio["utterance"]))[part["utterance"]]
    labels = [EMOTIONS.index(emotion) if emotion in EMOTIONS else -1 for emotion in part["emotion"]]
    return Clips([audio[int(row)]["waveform"] for row in rows], part["speaker"].to_numpy(), np.array(labels))


def _write_view(folder: Path, clips: Clips, number: int, settings: Distillation, teachers: tuple) -> None:
    """View 0 has the clips as they are."""
    before, after, labels = [], [], []
    for index, waveform in enumerate(clips.waveforms):
        seed, label = (settings.seed, number, index), clips.labels[index]
        if number:
            waveform, label = draw_content(clips, index, settings, np.random.default_rng(seed))
        plain = views.draw_view(waveform, seed, ())
        distorted = views.draw_view(plain, (*seed, 1), views.CHANNEL if number and settings.channel else ())
        before.append(plain if settings.undistorted else distorted)
        after.append(np.rint(distorted * LOUDEST).astype(np.int16))
        labels.append(label)
    arrays = {"waveforms": np.concatenate(after), "ends": np.cumsum([*map(len, after)]), "labels": np.array(labels)}
    arrays |= _ask_teachers(*teachers, before)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name, values in arrays.items():
            np.save(part / f"{name}.npy", values)
        part.rename(folder)
    except OSError as error:
        raise OSError(f"cannot write the views {folder}: {error}; free space or set SERCORE_CACHE.") from None


@torch.inference_mode()
def _ask_teachers(frozen: PreTrainedModel, tuned: PreTrainedModel, waveforms: list[np.ndarray]) -> dict:
    """TARGETS of utterances, float16 (utterances, ...): moments, embedding, logits."""
    order, rows, seen = np.argsort([*map(len, waveforms)]), {name: [] for name in TARGETS}, []
    keep = tuned.eval().classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batched = TEACHING if isinstance(frozen, LogMelClassifier) else 1  # others cannot pool rows of different lengths
    for start in range(0, len(order), batched):
        batch, _ = _collate([{"input_values": waveforms[row], "labels": -1} for row in order[start : start + batched]])
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            moments, logits = torch.cat(_pool_last_layers(frozen.eval(), batch), 1), tuned(**batch).logits
        for name, values in zip(TARGETS, (moments, seen.pop(), logits), strict=True):
            rows[name].append(values.half())
    keep.remove()
    return {name: torch.cat(values).numpy()[order.argsort()] for name, values in rows.items()}


def _pool_last_layers(model: PreTrainedModel, batch: dict) -> list[Tensor]:
    """Mean and deviation over time of the last two layers, side by side or one by one."""
    if isinstance(model, LogMelClassifier):
        return model.pool_layers(**batch)[-2:]
    hidden = model(**batch, output_hidden_states=True).hidden_states[-2:]
    return [part for layer in hidden for part in (layer.float().mean(1), layer.float().std(1))]


def _collate(items: list[dict]) -> tuple[dict[str, Tensor], Tensor]:
    """A batch as wide as a multiple of WIDTH, masked, and its labels."""
    batch = Collator("longest", MAX_SECONDS)(items)
    labels, more = batch.pop("labels"), -batch["input_values"].shape[1] % WIDTH
    return {name: pad(values, (0, more)) for name, values in batch.items()}, labels


def _digest_teacher(run: Run) -> str:
    """Changes with any weight of the fine-tuned teacher; the frozen one is named in the run's experiment."""
    return hashlib.sha1((run.path / "model" / "model.safetensors").read_bytes()).hexdigest()[:12]


# Training


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


def _train(folder: Path, settings: Distillation, shown: list[Views], validation: list[Views]) -> None:
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
        for suffix, view in zip(("", "_views"), validation, strict=True):
            explained, scores = _measure_student(average.module, view)
            row |= {f"{name}_R2{suffix}": values.mean() for name, values in explained.items()}
            row |= {} if suffix else {"UA": scores["UA"]}
        history.append(row | {"seconds": round(time.perf_counter() - began, 1)})
        with paths.whole_file(folder / "history.csv") as part:
            pd.DataFrame(history).round(4).to_csv(part, index=False)
        with paths.whole_file(file) as part:
            torch.save({name: one.state_dict() for name, one in parts.items()} | {"history": history}, part)
        left = (settings.epochs - epoch - 1) * history[-1]["seconds"] / 60
        line = f"{settings.name} · epoch {epoch + 1}/{settings.epochs} · loss {row['loss']:.3f}"
        print(f"{line} · validation UA {row['UA']:.3f} · about {left:.0f} min left", flush=True)
    _write_student(folder, average.module, validation)


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
        batch, labels = _collate([shown[drawn[row]][row] for row in rows])
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
        batch, _ = _collate([view[row] for row in range(start, min(start + TEACHING, len(view.labels)))])
        for name, values in learner.eval()(**batch).items():
            rows[name].append(values)
    predicted = {name: torch.cat(values).numpy() for name, values in rows.items()}
    known = {name: learner.standardise(name, view.targets[name]).numpy() for name in TARGETS[:2]}
    explained = {name: r2_score(known[name], predicted[name], multioutput="raw_values") for name in known}
    names, labelled = np.array(EMOTIONS), view.labels >= 0
    return explained, score(names[view.labels[labelled]], names[predicted["logits"].argmax(1)[labelled]])


def _write_student(folder: Path, learner: Learner, validation: list[Views]) -> None:
    """The student without its projections, and how well each part of each target is predicted."""
    rows = []
    for clips, view in zip(("as they are", "views"), validation, strict=True):
        explained, _ = _measure_student(learner, view)
        parts = dict(zip(MOMENTS, np.split(explained["moments"], len(MOMENTS)), strict=True))
        parts["embedding, fine-tuned"] = explained["embedding"]
        rows += [{"clips": clips, "target": name, "R2": values.mean().round(4)} for name, values in parts.items()]
    with paths.whole_file(folder / "targets.csv") as part:
        pd.DataFrame(rows).to_csv(part, index=False)
    learner.student.save_pretrained(folder / ".model")
    (folder / ".model").rename(folder / "model")
    (folder / "checkpoint.pt").unlink()
