"""Writes the small numbers of the finished open runs to results/open/, with what they depend on. Run by `make results`."""

import pandas as pd

from sercore.evaluation.tables import fold_scores
from sercore.paths import results_root
from sercore.training import Run, find_runs
from sercore.training.runs import write_json, write_table

PROFILE = "open"


def scores(runs: list[Run]) -> pd.DataFrame:
    """One row per arm and fold: test scores, and what training took."""
    training = {
        "epochs": [run.metrics["epochs"] for run in runs],
        "best_epoch": [run.metrics["best_epoch"] for run in runs],
        "seconds_per_epoch": [round(run.history["seconds"].mean(), 1) for run in runs],
    }
    return fold_scores(runs).assign(**training).sort_values(["arm", "fold"]).round(6)


def provenance(runs: list[Run]) -> dict:
    """The settings and the environments behind the numbers; what differs between folds is listed once each."""
    settings = [{**run.experiment.identity(), "fold": None, "permanent": None} for run in runs]
    if any(other != settings[0] for other in settings):
        raise ValueError("the finished runs differ in more than arm and fold; remove those that do not belong.")
    shared = {name: value for name, value in settings[0].items() if name not in ("fold", "permanent", "variant")}
    varying = ("commit", "code", "device", "python", "cpus", "threads")
    environments = {name: sorted({str(run.environment[name]) for run in runs}) for name in varying}
    started = sorted(run.environment["started"] for run in runs)
    return {
        "experiment": shared,
        "environment": environments | {"packages": runs[0].environment["packages"]},
        "started": [started[0], started[-1]],
    }


def record() -> None:
    """Raises FileNotFoundError where no open run is finished."""
    runs = find_runs(PROFILE)
    if not runs:
        raise FileNotFoundError(f"no finished run of the {PROFILE} profile; train it first: make {PROFILE}.")
    folder = results_root() / PROFILE
    folder.mkdir(exist_ok=True)
    table = scores(runs)
    write_table(folder / "loso.csv", table)
    write_json(folder / "provenance.json", provenance(runs))
    print(table.groupby("arm")[["WA", "UA", "macro_f1", "seconds_per_epoch"]].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    record()
