"""What two teachers make of views of speech, computed once and kept: the targets of a student.

A corpus of twelve sentences teaches sentences. So each clip is shown in views that destroy the sentence and keep the
voice, and the teachers get a view before the channel distorts it, the student after.
"""

import hashlib
import inspect
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

from sercore import paths
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import Collator, cache_audio, load_corpus, load_split, views
from sercore.data.preprocessing import MAX_SECONDS, preprocess
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training.log_mel_classifier import LogMelClassifier
from sercore.training.model import build_classifier, load_classifier
from sercore.training.runs import Run

UNLABELLED = ("disgust", "fear")  # of CREMA-D
SPEEDS = (0.75, 1.33)
LABELLED_LENGTHS = (1 / 1.2, 1.2)  # beyond, a faster or slower view has lost its emotion
TARGETS = ("moments", "embedding", "logits")  # of the frozen teacher, of the fine-tuned one
LOUDEST = 32767  # of 16 bits
TEACHING = 16  # utterances that a teacher takes at once
WIDTH = 4_000  # samples; batches are as wide as a multiple of it, since each new width costs a processor time
BFLOAT16 = torch.cpu._is_avx512_bf16_supported()  # where it is not, it is slower than float32


@dataclass(frozen=True)
class Distillation:
    """All that defines a student beside its teachers."""

    views: int = 6  # of each clip, the first as it is
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
    speakers: int = 1  # only every so many-th speaker is shown
    all_speakers: bool = False  # validation speakers are shown too, and those held out measure the student
    batch_size: int = 32
    learning_rate: float = 1.5e-3  # peak of one cycle, of both optimizers
    weight_decay: float = 0.03
    average: float = 0.998  # decay of the averaged weights, which are the student's
    seed: int = 0
    geometry: str = ""  # of the student, JSON as of LogMelConfig; "" for `STUDENT`

    @property
    def name(self) -> str:
        """`distillation` and what differs from the defaults, of the geometry the width and the layers."""
        changed = {name: value for name, value in vars(self).items() if value != getattr(Distillation, name)}
        shape = json.loads(changed.pop("geometry", "{}"))
        changed |= {name: shape[name] for name in ("d_model", "encoder_layers") if name in shape}
        return "-".join(["distillation", *(f"{name}={value}" for name, value in changed.items())])


TINY_STUDENT = '{"stem_strides":[2,2],"d_model":32,"encoder_layers":1,"encoder_attention_heads":2,"encoder_ffn_dim":32}'
QUICK = {"views": 2, "epochs": 2, "average": 0.5, "geometry": TINY_STUDENT}  # to show that all of this runs


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
    """Draws and labels the views of clips that are shown, and two of others: as they are, and distorted.

    Each is a folder in the cache, whole or absent, in one whose name changes with teachers, clips, code and settings.
    """
    parts = _load_clips(run.experiment, settings)
    kinds = [getattr(settings, kind) for kind in ("splice", "content", "channel", "undistorted", "seed")]
    code = [inspect.getsource(one) for one in (views, draw_content, _write_view, _ask_teachers, _pool_last_layers)]
    source = [code, kinds, run.digest, run.experiment.identity(), *(len(clips.labels) for clips in parts)]
    folder = paths.cache_root() / f"views-{hashlib.sha1(json.dumps(source).encode()).hexdigest()[:12]}"
    teachers, found = None, []
    for part, clips, count in zip(("shown", "other"), parts, (settings.views, 2), strict=True):
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


def _load_clips(experiment: Experiment, settings: Distillation) -> tuple[Clips, Clips]:
    """Clips that are shown, with labels, then without; clips of other speakers."""
    split, audio = load_split(experiment)
    tables = [split.train, split.validation] if settings.all_speakers else [split.train]
    sounds, shown = [audio], sorted(set(pd.concat(tables)["speaker"]))[:: settings.speakers]
    if "cremad" in experiment.corpora:
        try:
            root = experiment.root("cremad") or paths.unlabelled_root()
            table, sound = cache_audio(load_corpus("cremad", root, kept=UNLABELLED))
            tables, sounds = [*tables, table], [*sounds, sound]
        except ValueError as reason:
            print(f"no utterances of other emotions: {reason}")
    table = pd.concat(tables)
    clips = _gather(table[table["speaker"].isin(shown)], datasets.concatenate_datasets(sounds))
    sentences = paths.find_sentences()
    clips.waveforms += [preprocess(read_audio(file)) for file in sentences]
    clips.speakers = np.append(clips.speakers, [file.stem for file in sentences])
    clips.labels = np.append(clips.labels, np.full(len(sentences), -1))
    return clips, _gather(split.test if settings.all_speakers else split.validation, audio)


def _gather(part: pd.DataFrame, audio: datasets.Dataset) -> Clips:
    rows = pd.Index(list(audio["utterance"])).get_indexer(part["utterance"])
    labels = pd.Index(EMOTIONS).get_indexer(part["emotion"])  # -1 for none of them
    return Clips([audio[int(row)]["waveform"] for row in rows], part["speaker"].to_numpy(), labels)


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
        batch, _ = collate([{"input_values": waveforms[row], "labels": -1} for row in order[start : start + batched]])
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


def collate(items: list[dict]) -> tuple[dict[str, Tensor], Tensor]:
    """Makes a batch as wide as a multiple of WIDTH, masked, and its labels."""
    batch = Collator("longest", MAX_SECONDS)(items)
    labels, more = batch.pop("labels"), -batch["input_values"].shape[1] % WIDTH
    return {name: pad(values, (0, more)) for name, values in batch.items()}, labels
