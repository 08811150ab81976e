"""The production model on a corpus that it has never heard (section V-B)."""

import numpy as np
import pandas as pd

from sercore.emotions import EMOTIONS
from sercore.evaluation.adaptation import variants
from sercore.evaluation.arousal import arousal_accuracy, by_group, consistent_counts, errors_within, floors
from sercore.evaluation.metrics import predictions, score
from sercore.evaluation.published import published_ravdess
from sercore.evaluation.statistics import bootstrap, bootstrap_alone, wilson
from sercore.evaluation.tables import in_words

# RAVDESS with calm as neutral, by its manual: 24 actors, 2 statements, 2 repetitions, 2 intensities (neutral: 1).
RAVDESS_SUPPORT = (192, 192, 288, 192)
ENOUGH = 4  # utterances of a speaker that moments can be tried on
RECALLS = [f"recall_{emotion}" for emotion in EMOTIONS]


def overall(answers: pd.DataFrame) -> pd.DataFrame:
    """WA with its Wilson interval, UA and macro F1 with a speaker-clustered one, beside one answer for all.

    Args:
        answers: predictions of the unheard corpus.
    """
    found, best = bootstrap_alone(answers), floors(answers["truth"])
    right = int((answers["truth"] == answers["predicted"]).sum())
    low, high = wilson(right, len(answers))
    rows = {"WA": (f"{right} of {len(answers)}, {right / len(answers):.3f}", f"[{low:.3f}, {high:.3f}] (Wilson)")}
    for metric, title in (("WA", "WA, speakers drawn again"), ("UA", "UA"), ("macro_f1", "macro F1")):
        value, low, high = found.loc[metric, ["value", "low", "high"]]
        rows[title] = (f"{value:.3f}", f"[{low:.3f}, {high:.3f}]")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "95 % interval"])
    floor = {name: f"{best[metric].max():.3f}" for name, metric in zip(rows, ("WA", "WA", "UA", "macro_f1"))}
    return table.assign(**{"best single answer": pd.Series(floor)})


def per_emotion(answers: pd.DataFrame, experiment) -> pd.DataFrame:
    """Recall and precision of each emotion, the recall with its interval, beside the recalls the paper prints."""
    found, scored = bootstrap_alone(answers), score(answers["truth"], answers["predicted"])["per_class"]
    paper, rows = printed_recalls(), {}
    for emotion in EMOTIONS:
        value, low, high = found.loc[f"recall_{emotion}", ["value", "low", "high"]]
        printed = {f"paper {name}: recall": f"{own[emotion]:.0%}" if emotion in own else "not printed" for name, own in paper.items()}
        here = {"recall": f"{value:.3f} [{low:.3f}, {high:.3f}]", "precision": f"{scored[emotion]['precision']:.3f}"}
        rows[emotion] = printed | here | {"utterances": scored[emotion]["support"]}
    return pd.DataFrame.from_dict(rows, orient="index")


def printed_recalls() -> dict[str, dict[str, float]]:
    """Version of the paper to emotion to recall on RAVDESS, as fractions; only what is printed."""
    table = published_ravdess()
    return {
        version: {emotion: float(row[name]) / 100 for emotion, name in zip(EMOTIONS, RECALLS) if name in row and pd.notna(row[name])}
        for version, row in table.iterrows()
    }


def implied_happiness(support=RAVDESS_SUPPORT) -> pd.DataFrame:
    """Every set of whole numbers that prints as the paper's RAVDESS accuracy, UA and recalls (v2).

    Args:
        support: utterances per emotion, in their order.
    """
    row = published_ravdess().loc["v2"]
    recalls = {emotion: float(row[name]) for emotion, name in zip(EMOTIONS, RECALLS) if name in row and pd.notna(row[name])}
    found = consistent_counts(tuple(support), row["accuracy"], row["UA"], recalls)
    return found.assign(**{"recall of happiness": (found["happiness"] / support[1]).map("{:.1%}".format)})


def groups(answers: pd.DataFrame, table: pd.DataFrame, column: str) -> pd.DataFrame:
    """WA with Wilson interval and UA by a column of the corpus, in the order of the utterances.

    Args:
        answers: predictions of the corpus.
        table: the corpus itself, in the same order.
        column: `intensity`, `sex` or `speaker`.
    """
    return by_group(answers.reset_index(drop=True), table[column].reset_index(drop=True))


def groups_told(found: pd.DataFrame) -> pd.DataFrame:
    """The same as text."""
    told = pd.DataFrame({"utterances": found["utterances"]}).rename_axis(index=None)
    told["WA"] = [f"{wa:.3f} [{low:.3f}, {high:.3f}]" for wa, low, high in found[["WA", "WA_low", "WA_high"]].to_numpy()]
    told["UA"] = found["UA"].map("{:.3f}".format)
    return told.assign(remark=found["emotions"]) if (found["emotions"] != "").any() else told


def floors_told(found: pd.DataFrame) -> pd.DataFrame:
    """What always giving one answer scores, as text.

    Args:
        found: as `arousal.floors` gives it.
    """
    told = found.set_index("emotion").map("{:.3f}".format)
    return told.rename(index="always {}".format, columns={"macro_f1": "macro F1"}).rename_axis(index=None)


def arousal_reading(confusion) -> pd.DataFrame:
    """The paper's claim as numbers: is the arousal right, and do errors stay within it more often than by chance?"""
    right, within = arousal_accuracy(np.asarray(confusion)), errors_within(np.asarray(confusion))
    rows = {
        "arousal recognized": (f"{right['right']} of {right['n']}, {right['accuracy']:.3f}", f"[{right['low']:.3f}, {right['high']:.3f}]"),
        "… by one answer for all": (f"{right['floor']:.3f}", ""),
    }
    if within["share"] is not None:
        rows["errors within the arousal"] = (f"{within['within']} of {within['errors']}, {within['share']:.3f}", "")
    if within["expected"] is not None:
        chance = f"[{within['expected_low']:.3f}, {within['expected_high']:.3f}]"
        rows["… expected by chance from the margins"] = (f"{within['expected']:.3f}", chance)
        rows["… probability of so many by chance"] = (f"{within['p']:.4f}", "")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "95 % interval"])
    if within["expected"] is None:
        table.loc["remark"] = (within["statement"], "")
    return table


def aligned(table: pd.DataFrame, embeddings, source, head) -> dict[str, pd.DataFrame]:
    """Predictions of the same model with its embeddings' moments aligned, by name of the alignment.

    Args:
        table: the unheard corpus.
        embeddings: (utterances, dimensions) of it.
        source: `adaptation.moments` of the training embeddings.
        head: weight and bias of the last layer.
    """
    found = variants(embeddings, source, head, table["speaker"].to_numpy())
    return {name: predictions(table, probabilities) for name, probabilities in found.items()}


def alignments(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """UA and recalls of each alignment, UA's interval, and the gain over none with its own interval (fractions)."""
    first, rows = next(iter(found.values())), {}
    for name, answers in found.items():
        alone, against = bootstrap_alone(answers), bootstrap(first, answers).loc["UA"]
        rows[name] = {"UA": alone.loc["UA", "value"], "UA_low": alone.loc["UA", "low"], "UA_high": alone.loc["UA", "high"]}
        rows[name] |= {"WA": alone.loc["WA", "value"]} | {recall: alone.loc[recall, "value"] for recall in RECALLS}
        rows[name] |= {key: against[key] for key in ("gain", "gain_low", "gain_high")}
    return pd.DataFrame.from_dict(rows, orient="index")


def alignments_told(table: pd.DataFrame) -> pd.DataFrame:
    """The same as text."""
    if table.empty:
        return table
    told = pd.DataFrame({"WA": table["WA"].map("{:.3f}".format)})
    told["UA"] = [f"{ua:.3f} [{low:.3f}, {high:.3f}]" for ua, low, high in table[["UA", "UA_low", "UA_high"]].to_numpy()]
    gains = 100 * table[["gain", "gain_low", "gain_high"]].to_numpy()
    told["gain in UA (points)"] = ["", *(f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]" for gain, low, high in gains[1:])]
    for recall in RECALLS:
        told[recall.replace("_", " ")] = table[recall].map("{:.3f}".format)
    return told


def utterances_needed(curve: pd.DataFrame, before: float, after: float, share: float = 0.8) -> str:
    """How many utterances of a speaker bring a share of what all of them bring; "" where nothing is gained.

    Args:
        curve: as `adaptation.by_arrival` gives it.
        before: UA without alignment.
        after: UA with all of the speaker's utterances.
        share: of the gain.
    """
    reached = curve[curve["UA"] >= before + share * (after - before)] if after > before else curve.iloc[:0]
    return f"{int(reached['utterances'].iloc[0])}" if len(reached) else ""


def findings(answers, table, experiment, gains: pd.DataFrame, curve: pd.DataFrame, skewed: pd.DataFrame) -> dict[str, str]:
    """What the page says in words."""
    confusion = np.asarray(score(answers["truth"], answers["predicted"])["confusion"])
    within, right = errors_within(confusion), arousal_accuracy(confusion)
    before, speaker = gains["UA"].iloc[0], gains.loc["per speaker"]
    needed = utterances_needed(curve, before, speaker["UA"])
    arrival = f"After {needed} utterances of a speaker, four fifths of that gain are there." if needed else _no_arrival(before, speaker)
    return {
        "trained": in_words(experiment, experiment.corpora),
        "target": in_words(experiment, [experiment.target]),
        "n": f"{len(table):,}",
        "speakers": f"{table['speaker'].nunique()}",
        "WA": f"{gains['WA'].iloc[0]:.3f}",
        "UA": f"{before:.3f}",
        "chance": f"{1 / len(EMOTIONS):.3f}",
        "arousal": f"{right['accuracy']:.3f}",
        "arousal_floor": f"{right['floor']:.3f}",
        "arousal_verdict": _arousal_verdict(within),
        "speaker_UA": f"{speaker['UA']:.3f}",
        "speaker_gain": f"{100 * speaker['gain']:+.1f}",
        "speaker_interval": f"{100 * speaker['gain_low']:+.1f} to {100 * speaker['gain_high']:+.1f}",
        "arrival": arrival,
        "heard": f"{skewed.attrs['heard']}",
    }


def _arousal_verdict(within: dict) -> str:
    if within["p"] is None:
        return within["statement"]
    told = f"{within['share']:.3f} of the errors stay within the arousal, {within['expected']:.3f} would by chance"
    return f"{told} (p = {within['p']:.4f})"


def _no_arrival(before: float, speaker: pd.Series) -> str:
    if speaker["UA"] <= before:
        return "The alignment gains nothing here."
    return "Utterance by utterance, four fifths of that gain are not reached within what a speaker says here."
