"""Writes the small numbers of the finished open runs to results/open/, with what they depend on. Run by `make results`."""

import json

import pandas as pd

from sercore.config import FOLDS, Experiment
from sercore.data import load_split, load_target
from sercore.deployment import report
from sercore.evaluation import ablation, adaptation, predictions, production, transfer
from sercore.evaluation.statistics import bootstrap_alone
from sercore.evaluation.tables import fold_scores
from sercore.paths import results_root
from sercore.training import Run, embeddings, find_runs, head
from sercore.training.runs import write_json, write_table

PROFILE = "open"


def scores(runs: list[Run]) -> pd.DataFrame:
    """One row per arm and fold: test scores, and what training took."""
    training = {
        "epochs": [run.metrics["epochs"] for run in runs],
        "best_epoch": [run.metrics["best_epoch"] for run in runs],
        "seconds_per_epoch": [round(run.history["seconds"].mean(), 1) for run in runs],
    }
    return fold_scores(runs).assign(**training).sort_values(["arm", "fold"])


def provenance(runs: list[Run], apart: tuple[str, ...]) -> dict:
    """The settings and the environments behind the numbers; what differs between runs is listed once each.

    Args:
        runs: those of one table.
        apart: the settings in which they may differ.
    """
    settings = [{**run.experiment.identity(), **dict.fromkeys(apart)} for run in runs]
    if any(other != settings[0] for other in settings):
        raise ValueError(f"the finished runs differ in more than {', '.join(apart)}; remove those that do not belong.")
    shared = {name: value for name, value in settings[0].items() if name not in (*apart, "variant")}
    varying = ("commit", "code", "device", "python", "cpus", "threads")
    environments = {name: sorted({str(run.environment[name]) for run in runs}) for name in varying}
    started = sorted(run.environment["started"] for run in runs)
    return {
        "experiment": shared,
        "environment": environments | {"packages": runs[0].environment["packages"]},
        "started": [started[0], started[-1]],
    }


def fold_tables(runs: list[Run]) -> dict[str, pd.DataFrame]:
    """What the ablation shows: scores by fold, and both arms pooled, with intervals."""
    chosen = ablation.two_arms(runs, Experiment.from_profile(PROFILE))
    return {"loso": scores(runs), "ablation": ablation.pooled(chosen).rename_axis("score").reset_index()}


def production_tables(runs: dict[str, Run]) -> dict[str, pd.DataFrame]:
    """What the production model shows: the leak, its calibration, and the corpus that it has never heard."""
    run = runs["random"]
    target, audio = load_target(run.experiment)
    split, training_audio = load_split(run.experiment)
    embedded, last, who = embeddings(run, target, audio), head(run), target["speaker"].to_numpy()
    source = adaptation.moments(embeddings(run, split.train, training_audio))
    aligned = transfer.aligned(target, embedded, source, last)
    answers = predictions(target, adaptation.classify(embedded, last))
    truth = target["emotion"].to_numpy()
    return {
        "leak": production.leak(runs).rename_axis("score").reset_index(),
        "calibration": production.calibration(runs).rename_axis("split").reset_index(),
        "transfer": bootstrap_alone(answers).rename_axis("score").reset_index(),
        "transfer_confusion": pd.crosstab(answers["truth"], answers["predicted"]).reset_index(),
        "alignments": transfer.alignments(aligned).rename_axis("alignment").reset_index(),
        "arrival": adaptation.by_arrival(embedded, source, last, who, truth),
        "unbalanced": adaptation.when_unbalanced(embedded, source, last, who, truth),
    }


def deployment_tables(runs: dict[str, Run]) -> dict[str, pd.DataFrame]:
    """What the pages on quantization and on voice notes measured, as they kept it; nothing before they ran."""
    benchmark = sorted(report.folder(Experiment.from_profile(PROFILE)).glob("*.csv"))
    voice = sorted(runs["disjoint"].path.glob("voice_*.csv")) if "disjoint" in runs else []
    return {f"quantization_{file.stem}": pd.read_csv(file) for file in benchmark} | {file.stem: pd.read_csv(file) for file in voice}


def record() -> None:
    """Writes the tables of what is finished; of the rest, what is there stays.

    Raises:
        FileNotFoundError: nothing is finished.
    """
    folds, shipped = find_runs(PROFILE), {run.experiment.split: run for run in find_runs(PROFILE, *production.SPLITS)}
    tables, sources = deployment_tables(shipped), {}
    if len(folds) == 2 * len(FOLDS):
        tables, sources["loso"] = tables | fold_tables(folds), provenance(folds, ("fold", "permanent"))
    if len(shipped) == len(production.SPLITS):
        tables, sources["production"] = tables | production_tables(shipped), provenance([*shipped.values()], ("split",))
    if not tables:
        raise FileNotFoundError(f"no table of the {PROFILE} profile is finished; train its runs first: make {PROFILE}.")
    _write(tables, sources)


def _write(tables: dict[str, pd.DataFrame], sources: dict[str, dict]) -> None:
    folder = results_root() / PROFILE
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table.round(6))
        print(f"\n{name}\n{table.round(3).to_string(index=False)}")
    file = folder / "provenance.json"
    write_json(file, (json.loads(file.read_text()) if file.is_file() else {}) | sources)


if __name__ == "__main__":
    record()
