"""Tables of the book: plain pandas, ready to print. Paper, open and this-run values keep columns of their own."""

import numpy as np
import pandas as pd

from sercore.config import FOLDS
from sercore.emotions import EMOTIONS
from sercore.evaluation.published import open_loso, published_class_weights, published_counts, published_loso

TITLES = {"iemocap": "IEMOCAP", "cremad": "CREMA-D", "ravdess": "RAVDESS"}
METRICS = {"WA": "WA", "UA": "UA", "macro_f1": "macro F1"} | {f"f1_{emotion}": f"F1 {emotion}" for emotion in EMOTIONS}


def arm_title(arm: str) -> str:
    """`iemocap+cremad` as a reader knows it: IEMOCAP + CREMA-D."""
    return " + ".join(TITLES[corpus] for corpus in arm.split("+"))


def in_words(experiment, corpora) -> str:
    """The corpora as prose names them, never a synthetic one by the real one's bare name."""
    synthetic = {corpus: "synthetic " * (experiment.root(corpus) == "synthetic") for corpus in corpora}
    return " + ".join(kind + TITLES[corpus] for corpus, kind in synthetic.items())


def origin(experiment, *corpora: str) -> str:
    """What the values of an experiment come from: "synthetic" as soon as one of the corpora is."""
    return "synthetic" if "synthetic" in map(experiment.root, corpora or experiment.corpora) else "measured here"


def class_counts(corpora: dict, experiment) -> pd.DataFrame:
    """Utterances per emotion of the corpora at hand, beside the paper's Table I where it counts them.

    Args:
        corpora: name to table.
        experiment: tells which corpora are synthetic.

    Returns:
        Index: the emotions and the total; columns: (corpus, "paper" or what the data at hand is).
    """
    paper = published_counts()
    columns = {}
    for name, table in corpora.items():
        if name in paper.index:
            columns[TITLES[name], "paper"] = paper.loc[name]
        counts = table["emotion"].value_counts().reindex([*EMOTIONS], fill_value=0)
        columns[TITLES[name], _at_hand(experiment, name)] = pd.concat([counts, pd.Series({"total": counts.sum()})])
    return pd.DataFrame(columns).map("{:,}".format)


def _at_hand(experiment, *corpora: str) -> str:
    return "synthetic" if origin(experiment, *corpora) == "synthetic" else "data at hand"


def class_weights(weights, experiment) -> pd.DataFrame:
    """Balanced class weights, mean over the folds, beside the last row of the paper's Table I.

    Args:
        weights: four numbers in the order of the emotions.
        experiment: names the corpora they are computed from.
    """
    paper = published_class_weights()
    here = f"{_at_hand(experiment, *experiment.corpora)}: {arm_title(experiment.arm)}"
    columns = {f"paper: {arm_title('iemocap+cremad')}": paper, here: weights}
    return pd.DataFrame(columns, index=EMOTIONS).map("{:.3f}".format)


def sessions(table: pd.DataFrame) -> pd.DataFrame:
    """Who speaks in each session of a corpus, and how often with which emotion."""
    groups = table.groupby("session")
    minutes = groups["duration"].sum().div(60).map("{:.1f}".format)
    facts = pd.DataFrame({"speakers": groups["speaker"].nunique(), "minutes": minutes})
    sexes = pd.crosstab(table["session"], table["sex"]).reindex(columns=["female", "male"], fill_value=0)
    emotions = pd.crosstab(table["session"], table["emotion"]).reindex(columns=[*EMOTIONS], fill_value=0)
    return facts.join(sexes).join(emotions).assign(total=groups.size()).rename_axis(index="session", columns=None)


def left_out(corpora: dict) -> pd.DataFrame:
    """Why utterances of the corpora are not in the tables: number and first names by reason.

    Args:
        corpora: name to table with `attrs["left_out"]`.
    """
    rows = [
        {"corpus": TITLES[name], "reason": reason, "number": len(names), "for example": ", ".join(map(str, names[:2]))}
        for name, table in corpora.items()
        for reason, names in table.attrs.get("left_out", {}).items()
        if names
    ]
    return pd.DataFrame(rows, columns=["corpus", "reason", "number", "for example"])


def stacked(frames: dict) -> pd.DataFrame:
    """Tables of several corpora as one, with the corpus (the key) in front."""
    flat = {key: frame.reset_index(drop=frame.index.name is None) for key, frame in frames.items()}
    return pd.concat(flat, names=["corpus"]).reset_index("corpus")


def parts(split) -> pd.DataFrame:
    """Who trains, validates and is held out: one row per part and corpus."""
    rows = []
    for part, table in split.parts.items():
        for corpus, share in table.groupby("corpus", sort=False):
            names = sorted(share["speaker"].unique())
            rows.append(
                {
                    "part": part,
                    "corpus": TITLES[corpus],
                    "sessions": ", ".join(map(str, sorted(share["session"].unique()))),
                    "speakers": ", ".join(names) if len(names) <= 6 else f"{len(names)} speakers",
                    "utterances": len(share),
                    "minutes": f"{share['duration'].sum() / 60:.1f}",
                }
            )
    return pd.DataFrame(rows)


def scores(run) -> pd.DataFrame:
    """Test scores of one fold beside the paper's and, where there are any, the open means over five folds."""
    here = f"{origin(run.experiment)}: {arm_title(run.experiment.arm)}, fold {run.experiment.fold}"
    one = fold_scores([run]).iloc[0]
    columns = {here: [_spread(one[metric], np.nan) for metric in METRICS]}
    paper = published_table()
    column = paper.columns[1 if run.experiment.permanent else 0]
    columns[f"paper: {column}, five folds"] = paper[column].to_list()
    folds = open_loso()
    if (folds["arm"] == run.experiment.arm).any():
        open_ = arms(folds[folds["arm"] == run.experiment.arm]).drop(index="folds")
        columns[f"results/open: {open_.columns[0]}, five folds"] = open_.iloc[:, 0].to_list()
    return pd.DataFrame(columns, index=list(METRICS.values()))


def published_table() -> pd.DataFrame:
    """The paper's Table II: value ± spread of both arms."""
    table = published_loso()
    names = table.columns.get_level_values(0).unique()
    cells = {arm_title(arm): [_spread(*row) for row in table[arm][["value", "spread"]].to_numpy()] for arm in names}
    return pd.DataFrame(cells, index=[METRICS[metric] for metric in table.index])


def fold_scores(runs) -> pd.DataFrame:
    """Test scores of runs: one row per run with arm, fold and the metrics; no F1 of an emotion that a fold lacks."""
    rows = []
    for run in runs:
        test = run.metrics["test"]
        f1 = {f"f1_{emotion}": found["f1"] if found["support"] else None for emotion, found in test["per_class"].items()}
        means = {name: test[name] for name in ("WA", "UA", "macro_f1")}
        rows.append({"arm": run.experiment.arm, "fold": run.experiment.fold, **means, **f1})
    return pd.DataFrame(rows, columns=["arm", "fold", *METRICS]).astype(dict.fromkeys(METRICS, float))


def arms(folds: pd.DataFrame) -> pd.DataFrame:
    """Mean ± sample standard deviation over the folds of each arm; the first row names the folds there are.

    Args:
        folds: one row per arm and fold, as `fold_scores` or `open_loso` gives them.
    """
    cells = {}
    for arm, group in folds.groupby("arm", sort=True):
        spread = [_spread(group[metric].mean(), group[metric].std()) for metric in METRICS]
        cells[arm_title(arm)] = [_told(set(group["fold"].astype(int))), *spread]
    return pd.DataFrame(cells, index=["folds", *METRICS.values()])


def examples(table: pd.DataFrame) -> pd.DataFrame:
    """One utterance per emotion, in their order, from the first speaker with all four: of median duration."""
    emotions = table.groupby("speaker")["emotion"].nunique()
    own = table[table["speaker"] == emotions.idxmax()]
    rows = []
    for emotion in EMOTIONS:
        among = own[own["emotion"] == emotion]
        among = table[table["emotion"] == emotion] if among.empty else among
        rows.append((among["duration"] - among["duration"].median()).abs().idxmin())
    return table.loc[rows]


def corpus_findings(corpora: dict, experiment) -> dict[str, str]:
    """What the corpora page says in words."""
    everything = pd.concat(corpora.values())
    primary = corpora[experiment.primary]
    counts = primary["emotion"].value_counts().reindex([*EMOTIONS])
    return {
        "utterances": f"{len(everything):,}",
        "speakers": f"{(everything['corpus'] + everything['speaker']).nunique()}",
        "hours": f"{everything['duration'].sum() / 3600:.1f}",
        "primary": in_words(experiment, [experiment.primary]),
        "rarest": " and ".join(counts.index[counts == counts.min()]),
        "commonest": counts.idxmax(),
        "always_commonest": f"{counts.max() / counts.sum():.1%}",
        "cut": f"{(everything['duration'] > experiment.max_seconds).sum():,}",
        "cut_after_trimming": f"{(everything['seconds'] > experiment.max_seconds).sum():,}",
    }


def fold_findings(run) -> dict[str, str]:
    """What a fold's page says in words."""
    test = run.metrics["test"]
    confusion = pd.DataFrame(test["confusion"], EMOTIONS, EMOTIONS)
    support = confusion.sum(axis=1)
    f1 = pd.Series({emotion: test["per_class"][emotion]["f1"] for emotion in EMOTIONS})
    return {
        "fold": f"{run.experiment.fold}",
        "primary": in_words(run.experiment, [run.experiment.primary]),
        "arm": in_words(run.experiment, run.experiment.corpora),
        "UA": f"{test['UA']:.3f}",
        "WA": f"{test['WA']:.3f}",
        "chance": f"{1 / len(EMOTIONS):.3f}",
        "commonest": support.idxmax(),
        "always_commonest": f"{support.max() / support.sum():.3f}",
        "best": f1.idxmax(),
        "worst": f1.idxmin(),
        "error": _main_error(confusion),
    }


def _main_error(confusion: pd.DataFrame) -> str:
    """The largest cell off the diagonal, in words."""
    errors = confusion - np.diag(np.diag(confusion))
    truth, predicted = errors.stack().idxmax()
    share = errors.loc[truth, predicted] / max(confusion.loc[truth].sum(), 1)
    return f"{truth} taken for {predicted} ({share:.0%} of that emotion)" if share else "there is none"


def _told(there: set[int]) -> str:
    names = ", ".join(map(str, sorted(there)))
    missing = ", ".join(map(str, sorted(set(FOLDS) - there)))
    return f"{names} (missing: {missing})" if missing else names


def _spread(value: float, spread: float) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:.3f}" if pd.isna(spread) else f"{value:.3f} ± {spread:.3f}"
