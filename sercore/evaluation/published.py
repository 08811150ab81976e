"""Numbers that were not measured in this run: what the paper prints, and this project's open results."""

from pathlib import Path

import pandas as pd

from sercore import paths
from sercore.emotions import EMOTIONS

COLUMNS = ["table", "arm", "metric", "emotion", "value", "spread", "unit", "protocol", "source", "note"]
PEER_COLUMNS = ["system", "metric", "value", "spread", "unit", "corpus", "protocol", "speakers", "source", "note"]
OPEN_COLUMNS = ["arm", "fold", "WA", "UA", "macro_f1", *(f"f1_{emotion}" for emotion in EMOTIONS)]
OPEN_COLUMNS += ["epochs", "best_epoch", "seconds_per_epoch"]


def published() -> pd.DataFrame:
    """Every number of the paper's tables and text (v2, and v1 where it differs), one row each.

    Returns:
        Columns as results/published/README.md explains them; `value` and `spread` are numbers, absent text is "".

    Raises:
        FileNotFoundError, ValueError: the file is missing or garbled.
    """
    return _numbers("paper.csv", COLUMNS)


def printed(metric: str, table: str | None = None, arm: str | None = None, emotion: str = "") -> float:
    """One number of the paper, in the unit that results/published/paper.csv gives.

    Args:
        metric, table, arm, emotion: columns of that file; a table or arm that is not given may be any.

    Raises:
        ValueError: no number or several are named so.
    """
    wanted = {"metric": metric, "table": table, "arm": arm, "emotion": emotion}
    wanted = {column: name for column, name in wanted.items() if name is not None}
    numbers = published()
    found = numbers[(numbers[[*wanted]] == list(wanted.values())).all(axis=1)]
    if len(found) == 1:
        return float(found["value"].iloc[0])
    told = ", ".join(f"{column} {name!r}" for column, name in wanted.items())
    places = "; ".join(f"table {row.table!r}, arm {row.arm!r}" for row in found.itertuples())
    hint = f"choose among: {places}" if places else "results/published/paper.csv lists them"
    raise ValueError(f"{len(found)} printed numbers have {told}; {hint}.")


def published_counts() -> pd.DataFrame:
    """Table I: utterances of each corpus (rows) and emotion (columns), `total` last."""
    counts = _pick(published(), "I", "utterances").replace({"emotion": {"": "total"}})
    pivot = counts.pivot(index="arm", columns="emotion", values="value").astype(int)
    return pivot.loc[counts["arm"].unique(), [*EMOTIONS, "total"]].rename_axis(index="corpus", columns=None)


def published_class_weights() -> list[float]:
    """Table I, last row: balanced class weights, mean over the five folds, in the order of the emotions."""
    return _pick(published(), "I", "class_weight").set_index("emotion")["value"].loc[[*EMOTIONS]].tolist()


def published_loso() -> pd.DataFrame:
    """Table II: metrics (rows) of the two arms, fractions over the five folds.

    Returns:
        Index WA, UA, macro_f1, f1_anger … f1_sadness; columns (arm, "value" | "spread") for the arms
        `iemocap` and `iemocap+cremad`.
    """
    scores = _pick(published(), "II").query("arm != 'gain'")
    scores = scores.assign(metric=(scores["metric"] + "_" + scores["emotion"]).str.removesuffix("_"))
    wide = scores.pivot(index="metric", columns="arm", values=["value", "spread"]).swaplevel(axis=1)
    columns = [(arm, kind) for arm in scores["arm"].unique() for kind in ("value", "spread")]
    return wide.loc[scores["metric"].unique(), columns].rename_axis(index="metric", columns=[None, None])


def published_ravdess() -> pd.DataFrame:
    """Sections V-B (v2) and abstract (v1): the production model on RAVDESS, in percent.

    Returns:
        Index v1, v2; columns accuracy, UA, recall_anger, recall_neutral, recall_sadness. What a version does not print
        is None.
    """
    places = {"v1 abstract": "v1", "V-B": "v2"}
    scores = published().query("table in @places")
    scores = scores.assign(metric=(scores["metric"] + "_" + scores["emotion"]).str.removesuffix("_"))
    wide = scores.assign(table=scores["table"].map(places)).pivot(index="table", columns="metric", values="value")
    columns = ["accuracy", "UA", "recall_anger", "recall_neutral", "recall_sadness"]
    return _none_for_nan(wide[columns]).rename_axis(index="version", columns=None)


def published_production() -> pd.Series:
    """Section V-A: WA, UA and hold-out of the production model, in percent."""
    return pd.Series({metric: printed(metric, table="V-A") for metric in ("WA", "UA", "hold_out")})


def peers() -> pd.DataFrame:
    """Scores and sizes of the systems the paper stands beside, one row each, and its own.

    Returns:
        Columns as results/published/README.md explains them; a spread that is not printed is None.

    Raises:
        FileNotFoundError, ValueError: the file is missing or garbled.
    """
    table = _numbers("peers.csv", PEER_COLUMNS)
    return table.assign(spread=_none_for_nan(table["spread"]))


def published_protocol() -> pd.Series:
    """The constants of the method that the paper prints (sections III-A to III-D), by name."""
    file = paths.results_root() / "published" / "protocol.csv"
    return _read(file, ["name", "value", "unit", "source", "note"], numbers=["value"]).set_index("name")["value"]


def open_loso() -> pd.DataFrame:
    """This project's committed results on open corpora: one row per arm and fold; empty before there are any."""
    file = paths.results_root() / "open" / "loso.csv"
    if not file.is_file():
        return pd.DataFrame(columns=OPEN_COLUMNS)
    return _read(file, OPEN_COLUMNS, numbers=OPEN_COLUMNS[1:])


def open_table(name: str) -> pd.DataFrame:
    """A committed table of results/open/, indexed by its first column; empty before it was measured.

    Args:
        name: of the file, without .csv.
    """
    file = paths.results_root() / "open" / f"{name}.csv"
    return _read(file, [], []).pipe(lambda table: table.set_index(table.columns[0])) if file.is_file() else pd.DataFrame()


def _pick(numbers: pd.DataFrame, table: str, metric: str | None = None) -> pd.DataFrame:
    return numbers[(numbers["table"] == table) & (metric is None or numbers["metric"] == metric)]


def _numbers(name: str, columns: list[str]) -> pd.DataFrame:
    table = _read(paths.results_root() / "published" / name, columns, numbers=["value", "spread"])
    text = table.columns.difference(["value", "spread"])
    return table.fillna(dict.fromkeys(text, ""))


def _none_for_nan(cells):
    return cells.astype(object).where(cells.notna(), None)


def _read(file: Path, columns: list[str], numbers: list[str]) -> pd.DataFrame:
    """Reads a committed CSV file, or says in one line what is wrong with it."""
    remedy = "it belongs to the repository; restore it from there"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; {remedy}.")
    try:
        table = pd.read_csv(file)
        absent = [column for column in columns if column not in table]
        if absent:
            raise ValueError(f"no column {', '.join(absent)}")
        return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{file} cannot be read ({reason}); {remedy}.") from None
