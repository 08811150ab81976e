"""What the pages measure on notes: labels by each rule, shares, changes of the label."""

import numpy as np
import pandas as pd
import pytest

from sercore.labels import EMOTIONS
from sercore.runtime import aggregate_windows


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("voice_note_evaluation")


def windows(*labels: str, note: str = "a", weights=1.0) -> pd.DataFrame:
    """Windows of one note of an angry speaker that are sure of their labels."""
    table = pd.DataFrame(np.eye(len(EMOTIONS))[[EMOTIONS.index(label) for label in labels]], columns=EMOTIONS)
    condition = {"note": note, "speaker": note, "y_true": "anger", "filler": "silence", "share": 0.0, "vad": True}
    return table.assign(start=range(len(labels)), weight=weights, **condition)


def changes(table: pd.DataFrame, stage: str) -> list[float]:
    return table[(table["measure"] == "changes") & (table["stage"] == stage)]["hit"].tolist()[1:]


@pytest.fixture(scope="module")
def trials():
    """Without VAD, half of the angry speech of twelve speakers is missed; with it, nothing is."""
    rows = [
        {"speaker": speaker, "y_true": emotion, "vad": vad, "hit": vad or emotion != "anger" or speaker < 6}
        for speaker in range(12)
        for emotion in EMOTIONS
        for vad in (False, True)
    ]
    return pd.DataFrame(rows).assign(score="UA")


def test_a_gain_by_hand(page, trials):
    """UA is 7/8 without VAD: half of one of four emotions is missed."""
    row = page.compare(trials, ["score"], "vad", False, True).loc["UA"]
    assert row[["one", "other", "gain"]].tolist() == pytest.approx([7 / 8, 1, 1 / 8])
    assert row["gain_low"] < 1 / 8 < row["gain_high"] and row["other_low"] == row["other_high"] == 1


def test_the_same_trials_have_no_gain_and_no_interval_of_it(page, trials):
    same = trials[trials["vad"]]
    row = page.compare(pd.concat([same, same.assign(vad=False)]), ["score"], "vad", False, True).loc["UA"]
    assert row[["gain", "gain_low", "gain_high"]].tolist() == [0, 0, 0]


def test_averaging_smooths(page):
    """Alone, two of three labels change; the mean so far is a tie, which anger wins, then anger."""
    table = page.score_averaging(windows("anger", "happiness", "anger", "anger"))
    assert changes(table, "alone") == [1, 1, 0] and changes(table, "averaged") == [0, 0, 0]


def test_what_is_averaged_is_weighted_by_speech(page):
    assert changes(page.score_averaging(windows("anger", "sadness", weights=[1.0, 2.0])), "averaged") == [1]


def test_a_note_begins_anew(page):
    table = page.score_averaging(
        pd.concat([windows("anger", "anger"), windows("sadness", "sadness", note="b")], ignore_index=True)
    )
    alone = table[(table["measure"] == "changes") & (table["stage"] == "alone")]
    assert alone["hit"].isna().tolist() == [True, False] * 2 and alone["hit"].sum() == 0


def test_notes_of_one_window_have_no_jitter(page):
    both = pd.concat([windows("anger", "neutral"), windows("sadness", note="b")], ignore_index=True)
    assert set(page.score_averaging(both)["note"]) == {"a"}


def test_jitter_and_accuracy_by_hand(page):
    """Three of four labels change alone, none averaged; four of six windows are right, and both notes."""
    both = [windows("anger", "neutral", "anger", "sadness"), windows("anger", "anger", note="b")]
    table = page.score_averaging(pd.concat(both, ignore_index=True))
    found = page.compare(table, ["measure"], "stage", "alone", "averaged")
    assert found.loc["changes", ["one", "other"]].tolist() == pytest.approx([3 / 4, 0])
    assert found.loc["UA", ["one", "other"]].tolist() == pytest.approx([4 / 6, 1])


def test_the_last_mean_of_a_note_is_the_label_of_the_pipeline(page):
    """The weighted rule of `aggregate_windows`, for windows of any probabilities and weights."""
    rng = np.random.default_rng(0)
    table = windows(*["anger"] * 5, weights=rng.uniform(0.5, 8, 5))
    table[[*EMOTIONS]] = rng.dirichlet(np.ones(len(EMOTIONS)), 5)
    average = aggregate_windows(table[[*EMOTIONS]].to_numpy(), table["weight"].to_numpy(), "weighted")
    scored = page.score_averaging(table).query("measure == 'UA' and stage == 'averaged'")
    assert scored["hit"].tolist() == [EMOTIONS[average.argmax()] == "anger"]
