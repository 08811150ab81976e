"""The permanent corpus on trial: two arms over the same folds (Table II, section IV-A)."""

import numpy as np
import pandas as pd

from sercore.config import FOLDS
from sercore.emotions import EMOTIONS
from sercore.evaluation.published import published_loso
from sercore.evaluation.statistics import bootstrap, f_test, fold_tests, mcnemar, spread_tests, t_critical, t_range
from sercore.evaluation.tables import METRICS, arm_title, arms, fold_scores, in_words, origin

ROUNDING = 0.0005  # half a unit of Table II's last digit
PARTS = ("fold", "permanent")  # in what the runs of one table may differ


def two_arms(runs, experiment) -> dict[str, list]:
    """The runs of the primary corpus alone and of both corpora, by fold.

    Args:
        runs: finished runs; those of other arms are left out.
        experiment: names the two corpora.

    Raises:
        ValueError: runs that differ in more than arm and fold (seed, profile, any setting), or one twice; or no
            permanent corpus.
    """
    if not experiment.permanent:
        raise ValueError("permanent is ''; to compare two arms, name the corpus that is added to the training set.")
    names = (experiment.primary, f"{experiment.primary}+{experiment.permanent}")
    chosen = {name: sorted((run for run in runs if run.experiment.arm == name), key=_fold) for name in names}
    everything = [run for own in chosen.values() for run in own]
    for run in everything[1:]:
        _refuse_mixture(everything[0].experiment, run.experiment)
    for name, own in chosen.items():
        folds = list(map(_fold, own))
        twice = sorted({fold for fold in folds if folds.count(fold) > 1})
        if twice:
            raise ValueError(f"fold {twice[0]} of {name} is there twice; keep one of the two runs.")
    return chosen


def _fold(run) -> int:
    return run.experiment.fold


def _refuse_mixture(one, other) -> None:
    here, there = one.identity(), other.identity()
    changed = [name for name in here if name not in PARTS and here[name] != there[name]]
    if changed:
        told = "; ".join(f"{name} is {here[name]!r} and {there[name]!r}" for name in changed)
        raise ValueError(f"runs of {one.name} and {other.name} do not belong in one table: {told}.")


def remarks(chosen: dict[str, list]) -> list[str]:
    """What a reader must know of the runs before the table: absent folds, other code, absent emotions, one answer."""
    told = [line for name, own in chosen.items() for line in _absent_folds(name, own)]
    codes = {run.environment["code"] for own in chosen.values() for run in own}
    if len(codes) > 1:
        told.append(f"The runs were made by {len(codes)} versions of the code ({', '.join(sorted(codes))}).")
    for run in (run for own in chosen.values() for run in own):
        told += _odd_predictions(run)
    return told


def _absent_folds(name: str, own: list) -> list[str]:
    absent = sorted(set(FOLDS) - set(map(_fold, own)))
    if not own:
        return [f"{arm_title(name)}: no fold is finished."]
    return [f"{arm_title(name)}: no mean holds fold {', '.join(map(str, absent))} (not finished)."] * bool(absent)


def _odd_predictions(run) -> list[str]:
    absent = [emotion for emotion in EMOTIONS if not (run.predictions["truth"] == emotion).any()]
    answers = run.predictions["predicted"].unique()
    told = [f"{run.experiment.name}: no {emotion} in the test part, so no F1 of it." for emotion in absent]
    return told + [f"{run.experiment.name}: every utterance is called {answers[0]}."] * (len(answers) == 1)


def results(chosen: dict[str, list], experiment) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table II rebuilt: the paper's two arms and gain, and those of these runs.

    Returns:
        Cells, and a mask of the better value of each pair, which the paper prints in bold.
    """
    paper = published_loso()
    alone, both = paper.columns.get_level_values(0).unique()
    values = paper.xs("value", axis=1, level=1).rename(index=METRICS).rename_axis(index=None)
    printed = {name: [f"{value:.3f} ± {spread:.3f}" for value, spread in paper[name].to_numpy()] for name in (alone, both)}
    cells, better = _pair("paper", arm_title(alone), arm_title(both), printed[alone], printed[both], values[alone], values[both])
    for name, own in chosen.items():
        if not own:
            return cells, better
    means, told = (_means(chosen), arms(fold_scores(sum(chosen.values(), []))).drop(index="folds"))
    here, titles = origin(experiment), list(map(arm_title, chosen))
    columns = (told[title].to_list() for title in titles)
    own_cells, own_better = _pair(here, *titles, *columns, *(means[name] for name in chosen))
    return cells.join(own_cells), better.join(own_better)


def _pair(label, one_title, other_title, one_told, other_told, one, other):
    gain = 100 * (other - one)
    shown = {one_title: one_told, other_title: other_told, "gain (points)": _points(gain)}
    marks = {one_title: (gain.round(9) < 0), other_title: (gain.round(9) > 0), "gain (points)": gain > np.inf}
    keys = [(label, name) for name in shown]
    cells = pd.DataFrame({key: list(column) for key, column in zip(keys, shown.values())}, index=one.index)
    return cells, pd.DataFrame({key: column for key, column in zip(keys, marks.values())}, index=one.index)


def _points(gain: pd.Series) -> list[str]:
    return ["–" if pd.isna(value) else f"{value:+.1f}" for value in gain]


def _means(chosen: dict[str, list]) -> pd.DataFrame:
    scores = {name: fold_scores(own)[list(METRICS)].mean() for name, own in chosen.items()}
    return pd.DataFrame(scores).rename(index=METRICS)


def common_folds(chosen: dict[str, list]) -> list[int]:
    """The folds that both arms have finished: all that a paired comparison can use."""
    one, other = (set(map(_fold, own)) for own in chosen.values())
    return sorted(one & other)


def paired_scores(chosen: dict[str, list]) -> pd.DataFrame:
    """One row per arm and common fold, as `fold_scores` gives them."""
    folds = common_folds(chosen)
    return fold_scores([run for own in chosen.values() for run in own if _fold(run) in folds])


def tests(chosen: dict[str, list]) -> pd.DataFrame:
    """What the common folds can show: gain, its spread, paired t and exact Wilcoxon; a row per score."""
    rows = {}
    for metric, (one, other) in _columns(chosen).items():
        found = fold_tests(one, other)
        rows[METRICS[metric]] = {
            "gain (points)": f"{100 * found['gain']:+.1f}",
            "spread of the gain": _told(found["sd_gain"], 100, 1),
            "t": _told(found["t"]),
            "p (paired t)": _told(found["p_t"], digits=3),
            "p (Wilcoxon)": _told(found["p_wilcoxon"], digits=3),
            "remark": found["statement"],
        }
    return _without_empty(pd.DataFrame.from_dict(rows, orient="index"), "remark")


def spreads(chosen: dict[str, list]) -> pd.DataFrame:
    """Whether the scores of the two arms vary differently over the common folds: F and Brown-Forsythe tests."""
    rows = {}
    for metric, (one, other) in _columns(chosen).items():
        found = spread_tests(one, other)
        both = ["–" if len(part) < 2 else f"{np.std(part, ddof=1):.3f}" for part in (one, other)]
        tested = {"F": _told(found["F"]), "p (F)": _told(found["p_F"]), "p (Levene)": _told(found["p_levene"])}
        rows[METRICS[metric]] = dict(zip(map(arm_title, chosen), both)) | tested | {"remark": found["statement"]}
    return _without_empty(pd.DataFrame.from_dict(rows, orient="index"), "remark")


def _columns(chosen: dict[str, list]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each score over the common folds, for both arms; a score that a fold lacks is left out."""
    scores = paired_scores(chosen).sort_values("fold")
    pairs = {metric: tuple(scores.loc[scores["arm"] == name, metric].to_numpy(float) for name in chosen) for metric in METRICS}
    return {metric: pair for metric, pair in pairs.items() if len(pair[0]) and not np.isnan(pair).any()}


def _told(value, factor: float = 1, digits: int = 2) -> str:
    return "–" if value is None else f"{factor * value:.{digits}f}"


def _without_empty(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table if table.empty or (table[column] != "").any() else table.drop(columns=column)


def pooled(chosen: dict[str, list], draws: int = 10_000) -> pd.DataFrame:
    """Scores over all test utterances of the common folds with 95 % intervals, whole speakers drawn again.

    Args:
        chosen: from `two_arms`.
        draws: of the bootstrap.

    Returns:
        As `statistics.bootstrap` gives it; empty without a common fold.
    """
    folds = common_folds(chosen)
    if not folds:
        return pd.DataFrame(columns=["gain"])
    return bootstrap(*_predictions(chosen, folds), draws).filter(METRICS, axis="index")


def discordant(chosen: dict[str, list]) -> pd.DataFrame:
    """Utterances that only one arm gets right, and McNemar's exact test, which takes utterances as independent."""
    folds = common_folds(chosen)
    if not folds:
        return pd.DataFrame()
    one, other = _predictions(chosen, folds)
    found = mcnemar(one, other)
    titles = [f"only {arm_title(name)} right" for name in chosen]
    row = {titles[0]: found["only_one"], titles[1]: found["only_other"], "p": _told(found["p"], digits=3)}
    return _without_empty(pd.DataFrame([row | {"remark": found["statement"]}]), "remark")


def _predictions(chosen: dict[str, list], folds: list[int]) -> list[pd.DataFrame]:
    return [pd.concat([run.predictions for run in own if _fold(run) in folds]) for own in chosen.values()]


def intervals(found: pd.DataFrame, one: str, other: str, gain: str = "difference (points)") -> pd.DataFrame:
    """A bootstrap's values as text: value [low, high].

    Args:
        found: as `statistics.bootstrap` gives it.
        one: title of the first column.
        other: of the second.
        gain: of the third.
    """
    if found.empty:
        return found
    told = {title: _interval(found, name) for title, name in ((one, "one"), (other, "other"))}
    points = zip(*(100 * found[name] for name in ("gain", "gain_low", "gain_high")))
    told[gain] = [f"{value:+.1f} [{low:+.1f}, {high:+.1f}]" for value, low, high in points]
    return pd.DataFrame(told, index=[METRICS.get(name, name.replace("_", " ")) for name in found.index])


def _interval(found: pd.DataFrame, name: str) -> list[str]:
    return [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in found[[name, f"{name}_low", f"{name}_high"]].to_numpy()]


def printed_limits() -> pd.DataFrame:
    """The range of the paired t over five folds that Table II's printed means and spreads allow, score by score.

    Returns:
        Columns low, high (at the printed values), least, most (with every number off by half its last digit),
        F and p (of the two spreads); index the metrics.
    """
    paper, rows, n = published_loso(), {}, len(FOLDS)
    for metric, values in paper.iterrows():
        low, high = t_range(*values, n)
        least, most = t_range(*values, n, ROUNDING)
        spread = f_test(values.iloc[1], values.iloc[3], n, n)
        rows[metric] = {"low": low, "high": high, "least": least, "most": most, "F": spread["F"], "p": spread["p"]}
    return pd.DataFrame.from_dict(rows, orient="index")


def printed_limits_told(limits: pd.DataFrame) -> pd.DataFrame:
    """The same as text, with the printed gain in front."""
    values = published_loso().xs("value", axis=1, level=1)
    gain = 100 * (values.iloc[:, 1] - values.iloc[:, 0])
    told = {"printed gain (points)": gain.map("{:+.1f}".format)}
    told["t, printed values"] = [f"{low:.2f} … {high:.2f}" for low, high in limits[["low", "high"]].to_numpy()]
    told["t, rounding allowed for"] = [f"{low:.2f} … {high:.2f}" for low, high in limits[["least", "most"]].to_numpy()]
    told["F of the spreads"] = limits["F"].map("{:.2f}".format)
    told["p (F)"] = limits["p"].map("{:.2f}".format)
    return pd.DataFrame(told).rename(index=METRICS)


def findings(chosen: dict[str, list], experiment) -> dict[str, str]:
    """What the page says in words; where fewer than two folds are common, it says so instead of a number."""
    limits, n, critical = printed_limits(), len(FOLDS), t_critical(len(FOLDS))
    beyond = [METRICS[name] for name, row in limits.iterrows() if max(row["high"], -row["low"]) > critical]
    rounded = [METRICS[name] for name, row in limits.iterrows() if max(row["most"], -row["least"]) > critical]
    spread = published_loso().loc["WA"].xs("spread", level=1)
    return {
        "critical": f"{critical:.3f}",
        "wilcoxon_least": f"{2 / 2**n:.4f}",
        "t_WA": f"{limits.loc['WA', 'high']:.2f}",
        "t_macro_f1": f"{limits.loc['macro_f1', 'high']:.2f}",
        "beyond": ", ".join(beyond) or "none",
        "beyond_rounded": ", ".join(rounded) or "none",
        "F_WA": f"{limits.loc['WA', 'F']:.2f}",
        "p_WA": f"{limits.loc['WA', 'p']:.2f}",
        "less_spread": f"{1 - spread.iloc[1] / spread.iloc[0]:.0%}",
        "less_variance": f"{1 - (spread.iloc[1] / spread.iloc[0]) ** 2:.0%}",
        "arms": in_words(experiment, [experiment.primary, experiment.permanent]),
        "folds": str(len(common_folds(chosen))),
        "here": _in_this_run(chosen),
    }


def _in_this_run(chosen: dict[str, list]) -> str:
    folds = common_folds(chosen)
    if not folds:
        return "No fold is finished in both arms, so these runs say nothing yet."
    found = pooled(chosen)
    sure = [name for name, row in found.iterrows() if row["gain_low"] > 0 or row["gain_high"] < 0]
    told = [f"{METRICS[name]} ({100 * found.loc[name, 'gain']:+.1f} points)" for name in sure]
    if not told:
        return "In these runs, no score moves beyond its interval."
    return f"In these runs, the scores whose interval leaves zero out are {', '.join(told)}."
