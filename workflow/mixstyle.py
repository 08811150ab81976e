"""MixStyle (Zhou et al. 2021): fine-tunes the student while an utterance's style in its first layers is mixed.

python workflow/mixstyle.py    # CREMA-D and RAVDESS must be there; --steps and --file make a trial elsewhere

From CREMA-D to RAVDESS alone: the student was distilled from CREMA-D, which is no new corpus on the way back.

A style is the mean and deviation over time of each channel. It is mixed with that of another utterance of the batch,
or, for half of them, of the target, whose labels are never read. results/open/mixstyle.csv has a row a run, which is
not made again; for each utterance of the target, in the corpus's order, it has the predicted emotion's first letter.
"""

import argparse
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
import pandas as pd
import torch
import transformers
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from sercore.data import Collator, UtteranceDataset, load_split, load_target
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.paths import count_threads, results_root, whole_file
from sercore.training.embeddings import pool_utterances
from sercore.training.regression_head import choose_head
from sercore.training.trainer import build_trainer  # that of every run, with its augmentation, loss and schedule

SHAPE, SHARE, LAYERS = 0.1, 0.5, 2  # of the Beta distribution; of batches that are mixed; before which it happens
NOTHING, SOURCE, TARGET = WAYS = ("nothing", "among the source", "with the target")
SPEAKER = ", per speaker"  # moments aligned


def measure_style(hidden: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (utterances, 1, channels) over the real frames, `inside` (utterances, frames), of features."""
    hidden, inside = hidden.detach().float(), inside[..., None]
    frames = inside.sum(1, keepdim=True)
    mean = (hidden * inside).sum(1, keepdim=True) / frames
    return mean, (((hidden - mean).square() * inside).sum(1, keepdim=True) / frames + 1e-6).sqrt()


def mix_style(hidden: Tensor, inside: Tensor, others: tuple[Tensor, Tensor], weight: Tensor) -> Tensor:
    """Features (utterances, frames, channels) in a style between their own, at weight 1, and others', at weight 0."""
    own = measure_style(hidden, inside)
    mean, deviation = (weight * one + (1 - weight) * other for one, other in zip(own, others, strict=True))
    mixed = (hidden - own[0]) / own[1] * deviation + mean
    return torch.where(inside[..., None], mixed.to(hidden.dtype), hidden)


def mix_in_training(model: nn.Module, batches: Iterator[dict] | None = None) -> None:
    """Mixes styles before the first layers from now on, in training alone; half of them with those of `batches`."""
    foreign, draw = {}, torch.distributions.Beta(SHAPE, SHAPE)

    def look(model, inputs):
        if batches and model.training and torch.is_grad_enabled():
            with torch.no_grad():
                model(**next(batches))

    def mix(layer, inputs):
        hidden, bias = inputs
        inside = bias[:, 0, 0] == 0
        if not layer.training:
            return None
        if not torch.is_grad_enabled():  # a batch of the target, which is only looked at
            foreign[layer] = measure_style(hidden, inside)
            return None
        if torch.rand(()) > SHARE:
            return None
        order, rows = (torch.randperm(len(hidden)) for _ in range(2))
        others = [own[order] for own in measure_style(hidden, inside)]
        if layer in foreign:
            for own, new in zip(others, foreign[layer], strict=True):
                own[rows[: len(rows) // 2]] = new[: len(rows) // 2]
        return mix_style(hidden, inside, others, draw.sample((len(hidden), 1, 1))), bias

    model.register_forward_pre_hook(look)
    for layer in model.layers[:LAYERS]:
        layer.register_forward_pre_hook(mix)


def draw_batches(target: pd.DataFrame, audio: datasets.Dataset, experiment: Experiment) -> Iterator[dict]:
    """Batches of the target without end, half as large as those of training and augmented as they are."""
    blind = target.assign(emotion=EMOTIONS[0])  # no label can be seen
    utterances = UtteranceDataset(blind, audio, experiment.augmentation, experiment.seed)
    own = {"shuffle": True, "drop_last": True, "generator": torch.Generator().manual_seed(experiment.seed)}
    own["collate_fn"] = Collator(experiment.length, experiment.max_seconds)
    loader = torch.utils.data.DataLoader(utterances, experiment.batch_size // 2, **own)
    for epoch in count():
        utterances.set_epoch(epoch)
        yield from loader


def run(experiment: Experiment, way: str, plain: pd.DataFrame) -> dict:
    """Fine-tunes once and scores the target as it is and aligned per speaker; gains are on `plain`.

    That is the row of the same seed with nothing mixed, or empty where this is it. The head is refitted by regression.
    """
    (split, audio), (target, sound) = load_split(experiment), load_target(experiment)
    transformers.set_seed(experiment.seed)
    with TemporaryDirectory() as folder, threadpool_limits(count_threads()):
        trainer = build_trainer(experiment, Path(folder) / "run", split, audio)
        if way != NOTHING:
            mix_in_training(trainer.model, draw_batches(target, sound, experiment) if way == TARGET else None)
        trainer.train()
        pooled = [pool_utterances(trainer.model, experiment, part, audio) for part in (split.train, split.validation)]
        new = pool_utterances(trainer.model, experiment, target, sound)
    labels = [part["emotion"].map(EMOTIONS.index) for part in (split.train, split.validation)]
    head = choose_head(*zip(pooled, labels, strict=True))
    row = {"validation": balanced_accuracy_score(labels[1], head.predict(pooled[1]))}
    for name, own in {"": new, SPEAKER: align_moments(new, fit_moments(pooled[0]), target["speaker"])}.items():
        row[f"predicted{name}"] = "".join(EMOTIONS[one][0] for one in head.predict(own))
        before = plain[f"predicted{name}"].item() if len(plain) else row[f"predicted{name}"]
        tables = (read_letters(target, letters) for letters in (before, row[f"predicted{name}"]))
        found = bootstrap_scores(*tables).loc["UA"].filter(regex="other|gain")
        row |= found.rename(lambda column: column.replace("other", "UA")).add_suffix(name).to_dict()
    return row


def read_letters(target: pd.DataFrame, letters: str) -> pd.DataFrame:
    """Predictions, as of `tabulate_predictions`, from a row's letters."""
    names = {emotion[0]: emotion for emotion in EMOTIONS}
    return target[["utterance", "speaker"]].assign(y_true=target["emotion"], y_pred=[names[one] for one in letters])


def main(steps: int | None, file: Path) -> None:
    """Makes the rows that are not there, the first seed's first."""
    for seed, way in product(range(3), WAYS):
        experiment = Experiment.from_profile(
            "small", split="disjoint", seed=seed, **({"steps": steps} if steps else {})
        )
        key = {"steps": experiment.steps, "seed": seed}
        table = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=[*key, "way"])
        alike = table[(table[[*key]] == pd.Series(key)).all(axis=1)]
        if way in {*alike["way"]}:
            continue
        row = key | {"way": way} | run(experiment, way, alike[alike["way"] == NOTHING])
        with whole_file(file) as part:
            pd.concat([table, pd.DataFrame([row]).round(6)]).to_csv(part, index=False)
        print({name: value for name, value in row.items() if "predicted" not in name}, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of a trial, as of the experiment")
    parser.add_argument("--file", type=Path, default=results_root() / "open" / "mixstyle.csv")
    main(**vars(parser.parse_args()))
