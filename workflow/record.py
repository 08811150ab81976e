"""Collects the finished runs of both models, and the tables that their pages left, into results/open and results/small.

Run by `make results`. Of what is not finished, what is recorded already stays. Pages then read runs, and tables of
utterances, where the corpora are not.

python workflow/record.py --same RUN ... notes instead that the code that trained these runs anew (SERCORE_RECORDED=no)
gives the bytes of the recorded predictions; it refuses where it does not.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from sercore.data import load_split, load_target, load_utterances
from sercore.experiment import FOLDS, Experiment
from sercore.paths import recorded_utterances, results_root, runs_root, whole_file, write_array, write_json
from sercore.training import Run, embed, find_runs, read_head, read_moments, read_run
from sercore.training.embeddings import EMBEDDED, HEAD, MOMENTS
from sercore.training.runs import FILES, SAME

PROFILES = ("open", "small")  # of the two models that ship
DISTILLED = ("settings.json", "environment.json", "history.csv", "targets.csv")  # of the student, beside its weights
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


def record(profile: str) -> None:
    """Writes the tables of a profile that are there, its finished runs and the provenance of those that are complete.

    Raises:
        FileNotFoundError: no page of the profile has left a table.
    """
    tables = sorted((runs_root() / profile / "tables").glob("*.csv"))
    if not tables:
        raise FileNotFoundError(f"no page of the {profile} profile has left a table; run them first: make {profile}.")
    folder = results_root() / profile
    file = folder / "provenance.json"
    sources = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    folds, production = find_runs(profile), find_runs(profile, "random", "disjoint")
    if len(folds) == 2 * len(FOLDS):
        sources["loso"] = describe_runs(folds, ("fold", "permanent"))
    if len(production) == 2:
        sources["production"] = describe_runs(production, ("split",))
    write_json(file, sources)
    for run in folds + production:
        for name in FILES:
            copy(run.path / name, folder / "runs" / run.path.name / name)
        if run.experiment.split != "loso":
            record_embeddings(run, folder / "runs" / run.path.name)
    distilled = runs_root() / profile / "distillation"
    for name in DISTILLED if (distilled / "model").is_dir() else ():
        copy(distilled / name, folder / "runs" / distilled.name / name)
    for file in [*tables[0].parent.glob("*.webp"), *tables[0].parent.glob("*.ogg")]:
        copy(file, folder / file.name)
    for source in tables:
        table = pd.read_csv(source).round(6)
        with whole_file(folder / source.name) as part:
            table.to_csv(part, index=False)
        print(f"\n{profile}: {source.stem}\n{table.round(3).to_string(index=False)}")


def record_same(folder: str | Path) -> None:
    """Adds a row to same_numbers.csv: a finished run has the predictions of the recorded one, by other code.

    Raises:
        FileNotFoundError: no finished run is there, or none is recorded.
        ValueError: the settings, or the bytes, are others, or the code is that of the recorded run.
    """
    run = read_run(folder)
    root, name = results_root() / run.experiment.profile, run.experiment.name
    recorded = read_run(root / "runs" / name)
    pair = [one.path / "predictions.csv" for one in (run, recorded)]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in pair]
    if run.experiment.identity() != recorded.experiment.identity():
        raise ValueError(f"{folder} has other settings than {recorded.path}; train with those.")
    if digests[0] != digests[1]:
        raise ValueError(f"{pair[0]} and {pair[1]} differ; {name} is to be recorded anew: make results.")
    code, reference = run.environment["code"], recorded.environment["code"]
    if code == reference:
        raise ValueError(f"{folder} was trained by the code of the recorded run ({code}); there is nothing to note.")
    row = {"code": code, "reference": reference, "run": name, "sha256": digests[0]}
    row |= {"commit": run.environment["commit"], "date": run.environment["started"][:10]}
    there = [pd.read_csv(root / SAME, dtype=str)] if (root / SAME).is_file() else []
    rows = pd.concat([*there, pd.DataFrame([row])]).drop_duplicates(["code", "reference", "run"], keep="last")
    with whole_file(root / SAME) as part:
        rows.sort_values(["date", "run"], kind="stable").to_csv(part, index=False)
    print(f"{run.experiment.profile}/{name}: code {code} gives the bytes of code {reference}.")


def copy(source: Path, file: Path) -> None:
    """Whole or not at all."""
    with whole_file(file) as part:
        shutil.copyfile(source, part)


def record_embeddings(run: Run, folder: Path) -> None:
    """The last layer of a production run, the moments of its training set, and embeddings that pages compute with.

    Of the target, by the run of the random split; of who validates and tests, in float16, where they are held out.
    """
    (split, audio), (target, sound) = load_split(run.experiment), load_target(run.experiment)
    disjoint = run.experiment.split == "disjoint"
    parts = [(split.validation, audio), (split.test, audio)] if disjoint else [(target, sound)]
    with whole_file(folder / EMBEDDED) as file:
        pd.concat([part[["utterance", "corpus", "speaker", "emotion"]] for part, _ in parts]).to_csv(file, index=False)
    pooled = np.concatenate([embed(run, *part) for part in parts]).astype(np.float16 if disjoint else np.float32)
    write_array(folder / EMBEDDED.replace("csv", "npy"), pooled)
    for name, pair in {HEAD: read_head(run), MOMENTS: read_moments(run, split.train, audio)}.items():
        write_array(folder / name, np.column_stack([np.asarray(one, np.float32) for one in pair]))


def record_utterances(experiment: Experiment) -> None:
    """The table of each corpus of an experiment, without its audio."""
    for name in {*experiment.corpora, experiment.target}:
        table, _ = load_utterances(name, experiment)
        with whole_file(recorded_utterances(name)) as file:
            table.drop(columns="path").to_csv(file, index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--same", nargs="+", metavar="RUN", help="folders of runs that were trained anew")
    if again := parser.parse_args().same:
        try:
            for folder in again:
                record_same(folder)
        except (OSError, ValueError) as error:
            raise SystemExit(f"record.py: {error}") from None
        raise SystemExit
    for name in PROFILES:
        if name == "open" or (runs_root() / name / "tables").is_dir():
            record(name)
    record_utterances(Experiment.from_profile(PROFILES[0], split="disjoint"))
