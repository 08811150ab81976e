"""Collects what the pages of the finished open runs left as tables into results/open/, with what it depends on.

Run by `make results`. Of what is not finished, what is recorded already stays.
"""

import json

import pandas as pd

from sercore.experiment import FOLDS
from sercore.paths import results_root, runs_root, whole_file, write_json
from sercore.training import Run, find_runs

PROFILE = "open"
VARYING = ("commit", "code", "device", "python", "cpus", "threads")  # what may differ between the runs of one table


def describe_runs(runs: list[Run], apart: tuple[str, ...]) -> dict:
    """Settings and environments behind a table; what differs between its runs is listed once each.

    Args:
        runs: those of one table.
        apart: the settings in which they may differ.

    Raises:
        ValueError: they differ in another setting.
    """
    settings = pd.DataFrame([run.experiment.identity() for run in runs]).drop(columns=[*apart, "variant"])
    differing = settings.columns[settings.nunique() > 1]
    if len(differing):
        raise ValueError(f"the finished runs differ in {', '.join(differing)}; remove those that do not belong.")
    environments = pd.DataFrame([run.environment for run in runs]).astype(dict.fromkeys(VARYING, str))
    return {
        "experiment": {name: runs[0].experiment.identity()[name] for name in settings},
        "environment": {name: sorted(environments[name].unique()) for name in VARYING}
        | {"packages": runs[0].environment["packages"]},
        "started": [environments["started"].min(), environments["started"].max()],
    }


def record() -> None:
    """Writes the tables that are there and the provenance of the runs that are complete.

    Raises:
        FileNotFoundError: no page of the profile has left a table.
    """
    tables = sorted((runs_root() / PROFILE / "tables").glob("*.csv"))
    if not tables:
        raise FileNotFoundError(f"no page of the {PROFILE} profile has left a table; run them first: make {PROFILE}.")
    folder = results_root() / PROFILE
    file = folder / "provenance.json"
    sources = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    folds, production = find_runs(PROFILE), find_runs(PROFILE, "random", "disjoint")
    if len(folds) == 2 * len(FOLDS):
        sources["loso"] = describe_runs(folds, ("fold", "permanent"))
    if len(production) == 2:
        sources["production"] = describe_runs(production, ("split",))
    write_json(file, sources)
    for source in tables:
        table = pd.read_csv(source).round(6)
        with whole_file(folder / source.name) as part:
            table.to_csv(part, index=False)
        print(f"\n{source.stem}\n{table.round(3).to_string(index=False)}")


if __name__ == "__main__":
    record()
