"""Numbers that were not measured in this run: what papers print, and this project's recorded results."""

from pathlib import Path

import pandas as pd

from sercore import paths
from sercore.labels import EMOTIONS


def read_paper() -> pd.DataFrame:
    """Every number of the paper's tables and text (v2, and v1 where it differs), one row each.

    Returns:
        Columns as results/published/README.md explains them; absent text is "".

    Raises:
        FileNotFoundError, ValueError: the file is missing or garbled.
    """
    columns = ("table", "arm", "metric", "emotion", "value", "spread", "unit", "protocol", "source", "note")
    table = _read("published/paper.csv", columns)
    return table.fillna(dict.fromkeys(set(columns) - {"value", "spread"}, ""))


def read_number(metric: str, table: str | None = None, arm: str | None = None, emotion: str = "") -> float:
    """One number of the paper, in the unit that results/published/paper.csv gives.

    Args:
        metric, table, arm, emotion: columns of that file; a table or arm that is not given may be any.

    Raises:
        ValueError: no number or several are named so.
    """
    wanted = {"metric": metric, "table": table, "arm": arm, "emotion": emotion}
    wanted = {column: name for column, name in wanted.items() if name is not None}
    paper = read_paper()
    found = paper[(paper[[*wanted]] == list(wanted.values())).all(axis=1)]
    if len(found) != 1:
        named = ", ".join(f"{column} {name!r}" for column, name in wanted.items())
        raise ValueError(f"{len(found)} printed numbers have {named}; results/published/paper.csv lists them.")
    return float(found["value"].iloc[0])


def read_counts() -> pd.DataFrame:
    """Table I: utterances of each corpus (rows) and emotion (columns), `total` last."""
    counts = read_paper().query("table == 'I' and metric == 'utterances'").replace({"emotion": {"": "total"}})
    wide = counts.pivot(index="arm", columns="emotion", values="value").astype(int)
    return wide.loc[counts["arm"].unique(), [*EMOTIONS, "total"]].rename_axis(index="corpus", columns=None)


def read_class_weights() -> pd.Series:
    """Table I, last row: balanced class weights, mean over the five folds, by emotion."""
    weights = read_paper().query("table == 'I' and metric == 'class_weight'")
    return weights.set_index("emotion")["value"].loc[[*EMOTIONS]]


def read_loso() -> pd.DataFrame:
    """Table II: metrics (rows) of the two arms, fractions over the five folds.

    Returns:
        Index WA, UA, macro_f1, f1_anger … f1_sadness; columns (arm, "value" | "spread") for the arms
        `iemocap` and `iemocap+cremad`.
    """
    scores = _pick("II").query("arm != 'gain'")
    wide = scores.pivot(index="metric", columns="arm", values=["value", "spread"]).swaplevel(axis=1)
    columns = [(arm, kind) for arm in scores["arm"].unique() for kind in ("value", "spread")]
    return wide.loc[scores["metric"].unique(), columns].rename_axis(index="metric", columns=[None, None])


def read_ravdess() -> pd.DataFrame:
    """Sections V-B (v2) and abstract (v1): the production model on RAVDESS, in percent.

    Returns:
        Index v1, v2; columns accuracy, UA and recall_<emotion>; NaN where a version prints none.
    """
    scores = _pick("v1 abstract", "V-B").replace({"table": {"v1 abstract": "v1", "V-B": "v2"}})
    wide = scores.pivot(index="table", columns="metric", values="value")
    columns = ["accuracy", "UA", *(f"recall_{emotion}" for emotion in EMOTIONS)]
    return wide.reindex(columns=columns).rename_axis(index="version", columns=None)


def read_peers() -> pd.DataFrame:
    """Scores and sizes of the systems the paper stands beside, one row each, and its own.

    Returns:
        Columns as results/published/README.md explains them.

    Raises:
        FileNotFoundError, ValueError: the file is missing or garbled.
    """
    columns = ("system", "metric", "value", "spread", "unit", "corpus", "protocol", "speakers", "source", "note")
    table = _read("published/peers.csv", columns)
    return table.fillna(dict.fromkeys(set(columns) - {"value", "spread"}, ""))


def read_protocol() -> pd.Series:
    """The constants of the method that the paper prints (sections III-A to III-D), by name."""
    return _read("published/protocol.csv", ("name", "value")).set_index("name")["value"]


def read_open(name: str, profile: str = "open") -> pd.DataFrame:
    """A recorded table of results/open/ (or small/) by its name without .csv; empty before it was measured."""
    file = paths.results_root() / profile / f"{name}.csv"
    return pd.read_csv(file) if file.is_file() else pd.DataFrame()


def _pick(*tables: str) -> pd.DataFrame:
    """The numbers of these tables, `f1` of anger as `f1_anger`."""
    own = read_paper().query("table in @tables")
    return own.assign(metric=(own["metric"] + "_" + own["emotion"]).str.removesuffix("_"))


def _read(name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Reads a committed table, or says in one line what is wrong with it."""
    file: Path = paths.results_root() / name
    remedy = "it belongs to the repository; restore it from there"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; {remedy}.")
    try:
        table = pd.read_csv(file)
        numbers = [column for column in ("value", "spread") if column in columns]
        return table[[*columns]].assign(**{column: pd.to_numeric(table[column]) for column in numbers})
    except (ValueError, KeyError) as error:
        raise ValueError(f"{file} cannot be read ({str(error).splitlines()[0]}); {remedy}.") from None
