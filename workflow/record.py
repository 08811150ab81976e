"""Writes the small numbers of the finished open runs to results/open/, with what they depend on. Run by `make results`."""

import pandas as pd

from sercore.emotions import EMOTIONS
from sercore.paths import results_root
from sercore.training import Run, find_runs
from sercore.training.runs import write_json, write_table

PROFILE = "open"


def fold_row(run: Run) -> dict:
    """One line of loso.csv: test scores of a fold, and what training it took."""
    scores = run.metrics["test"]
    return {
        "arm": run.experiment.arm,
        "fold": run.experiment.fold,
        **{name: scores[name] for name in ("WA", "UA", "macro_f1")},
        **{f"f1_{emotion}": scores["per_class"][emotion]["f1"] for emotion in EMOTIONS},
        "epochs": run.metrics["epochs"],
        "best_epoch": run.metrics["best_epoch"],
        "seconds_per_epoch": run.history["seconds"].mean(),
    }


def provenance(runs: list[Run]) -> dict:
    """The settings and the environments behind the numbers; what differs between folds is listed once each."""
    settings = [{**run.experiment.identity(), "fold": None, "permanent": None} for run in runs]
    if any(other != settings[0] for other in settings):
        raise ValueError("the finished runs differ in more than arm and fold; remove those that do not belong.")
    shared = {name: value for name, value in settings[0].items() if name not in ("fold", "permanent", "variant")}
    varying = ("commit", "code", "device", "platform", "python", "cpus", "threads")
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
    table = pd.DataFrame([fold_row(run) for run in runs])
    table = table.sort_values(["arm", "fold"]).round({"seconds_per_epoch": 1}).round(6)
    write_table(folder / "loso.csv", table)
    write_json(folder / "provenance.json", provenance(runs))
    print(table.groupby("arm")[["WA", "UA", "macro_f1", "seconds_per_epoch"]].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    record()
