"""Numbers that were not measured in this run: what papers print, and this project's recorded results."""

from pathlib import Path

import pandas as pd

from sercore import paths

COMMON = ("unit", "protocol", "source", "note")  # columns of both tables


def read_paper() -> pd.DataFrame:
    """Every number of the paper's tables and text (v2, and v1 where it differs), one row each.

    Returns:
        Columns as results/published/README.md explains them; absent text is "".

    Raises:
        FileNotFoundError, ValueError: the file is missing or garbled.
    """
    return _read("paper.csv", ("table", "arm", "metric", "emotion"))


def read_peers() -> pd.DataFrame:
    """Scores and sizes of the systems the paper stands beside, and its own; as `read_paper`."""
    return _read("peers.csv", ("system", "metric", "corpus", "speakers"))


def read_number(metric: str, table: str | None = None, arm: str | None = None, emotion: str = "") -> float:
    """One number of the paper, in the unit that results/published/paper.csv gives.

    Args:
        metric, table, arm, emotion: columns of that file; a table or arm that is not given may be any.

    Raises:
        ValueError: no number or several are named so.
    """
    wanted = {"metric": metric, "table": table, "arm": arm, "emotion": emotion}
    wanted = {column: name for column, name in wanted.items() if name is not None}
    found = read_paper().merge(pd.DataFrame([wanted]))
    if len(found) != 1:
        named = ", ".join(f"{column} {name!r}" for column, name in wanted.items())
        raise ValueError(f"{len(found)} printed numbers have {named}; results/published/paper.csv lists them.")
    return float(found["value"].iloc[0])


def read_loso() -> pd.DataFrame:
    """Table II: metrics (rows) of the two arms, fractions over the five folds.

    Returns:
        Index WA, UA, macro_f1, f1_anger … f1_sadness; columns (arm, "value" | "spread") for the arms
        `iemocap` and `iemocap+cremad`.
    """
    scores = read_paper().query("table == 'II' and arm != 'gain'")
    scores = scores.assign(metric=(scores["metric"] + "_" + scores["emotion"]).str.removesuffix("_"))
    wide = scores.pivot(index="metric", columns="arm", values=["value", "spread"]).swaplevel(axis=1)
    columns = [(arm, kind) for arm in scores["arm"].unique() for kind in ("value", "spread")]
    return wide.loc[scores["metric"].unique(), columns].rename_axis(index="metric", columns=[None, None])


def read_open(name: str, profile: str = "open") -> pd.DataFrame:
    """A recorded table of results/open/ (or small/) by its name without .csv; empty before it was measured."""
    file = paths.results_root() / profile / f"{name}.csv"
    return pd.read_csv(file) if file.is_file() else pd.DataFrame()


def _read(name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Reads a committed table with these columns and those of all, or says in one line what is wrong with it."""
    file: Path = paths.results_root() / "published" / name
    remedy = "it belongs to the repository; restore it from there"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; {remedy}.")
    numbers, columns = {"value": float, "spread": float}, [*columns, "value", "spread", *COMMON]
    try:
        empty = dict.fromkeys(numbers, "")
        return pd.read_csv(file, usecols=columns, dtype=numbers, keep_default_na=False, na_values=empty)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read ({str(error).splitlines()[0]}); {remedy}.") from None
