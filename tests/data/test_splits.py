"""Folds without leaks, class weights to the printed digit, a production split that says what it shares."""

import numpy as np
import pandas as pd
import pytest

from sercore.data import class_weights, loso_split, production_split, shared_speakers, validation_session
from sercore.experiment import FOLDS
from sercore.labels import EMOTIONS
from sercore.paths import recorded_utterances, results_root

# Utterances of IEMOCAP per session, in the order of the emotions (counted on the corpus; they sum to Table I's row).
IEMOCAP_SESSIONS = [
    (229, 278, 384, 194),
    (137, 327, 362, 197),
    (240, 286, 320, 305),
    (327, 303, 258, 143),
    (170, 442, 384, 245),
]
CREMAD = (1271, 1271, 1087, 1271)  # Table I


def counted(corpus: str, session: int, counts) -> pd.DataFrame:
    """One row per utterance, with nothing but what a split looks at."""
    emotion = np.repeat(EMOTIONS, counts)
    names = [f"{corpus}{session}-{number}" for number in range(len(emotion))]
    columns = {"path": names, "corpus": corpus, "speaker": str(session), "session": session, "emotion": emotion}
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def corpora():
    iemocap = pd.concat([counted("iemocap", session, counts) for session, counts in enumerate(IEMOCAP_SESSIONS, 1)])
    return iemocap, counted("cremad", 1, CREMAD)


@pytest.fixture
def recorded_cremad():
    """CREMA-D's utterances with the digests of their audio, as recorded."""
    table = pd.read_csv(recorded_utterances("cremad"), dtype={"speaker": str, "digest": str})
    return table.assign(path=table["utterance"], digest=table["digest"].fillna(""))


def test_mean_class_weights_are_table_1s(corpora):
    """Table I prints 1.065, 0.913, 0.974 and 1.070 as average class weights."""
    weights = [class_weights(loso_split(corpora[0], fold, corpora[1]).train) for fold in FOLDS]
    assert np.mean(weights, axis=0).round(3).tolist() == [1.065, 0.913, 0.974, 1.070]


def test_class_weights_are_balanced():
    """N / (K n_c) with K = 4 classes: weighted, every emotion counts the same."""
    assert class_weights(counted("made-up", 1, (1, 2, 4, 1))) == [2.0, 1.0, 0.5, 2.0]


def test_absent_emotion_has_no_weight():
    with pytest.raises(ValueError, match="no utterance of neutral"):
        class_weights(counted("made-up", 1, (1, 2, 0, 1)))


@pytest.mark.parametrize("fold", FOLDS)
def test_three_sessions_train_one_validates_one_is_held_out(table, fold):
    split = loso_split(table, fold)
    assert set(split.test["session"]) == {fold}
    assert set(split.validation["session"]) == {validation_session(fold)}
    assert set(split.train["session"]) == {1, 2, 3, 4, 5} - {fold, validation_session(fold)}


def test_validation_session_follows_the_tested_one():
    assert [validation_session(fold) for fold in FOLDS] == [2, 3, 4, 5, 1]


@pytest.mark.parametrize("fold", FOLDS)
def test_no_speaker_crosses(table, fold):
    parts = pd.concat(loso_split(table, fold).parts, names=["part"]).reset_index("part")
    assert (parts.groupby("speaker")["part"].nunique() == 1).all()
    assert len(parts) == len(table)


def test_permanent_corpus_is_in_training_only(table):
    permanent = table.assign(corpus="other", path="other-" + table["path"])
    split = loso_split(table, 1, permanent)
    assert (split.train["corpus"] == "other").sum() == len(permanent)
    assert set(split.validation["corpus"]) | set(split.test["corpus"]) == {"made-up"}


@pytest.mark.parametrize("fold", [0, 6])
def test_fold_out_of_range_is_refused(table, fold):
    with pytest.raises(ValueError, match="it must be one of"):
        loso_split(table, fold)


def test_speaker_in_two_sessions_is_a_leak(table):
    leaky = table.copy()
    leaky.loc[leaky["speaker"] == "S2M", "speaker"] = "S1F"
    with pytest.raises(ValueError, match="leak: speaker 'made-up/S1F' is in both validation and test"):
        loso_split(leaky, 1)


def test_path_in_two_parts_is_a_leak(table):
    permanent = table[table["session"] == 1].assign(speaker="somebody else")
    with pytest.raises(ValueError, match=r"leak: path .* is in both train and test"):
        loso_split(table, 1, permanent)


def test_identical_audio_in_two_parts_is_a_leak(table):
    digests = [f"digest {row}" for row in range(len(table))]
    digests[-1] = digests[0]
    with pytest.raises(ValueError, match="leak: digest 'digest 0'"):
        loso_split(table.assign(digest=digests), 1)


def test_silent_utterances_are_no_leak(table):
    loso_split(table.assign(digest=""), 1)


def test_missing_session_is_said(table):
    with pytest.raises(ValueError, match="the test set is empty; are all sessions"):
        loso_split(table[table["session"] != 3], 3)


def test_production_keeps_back_the_papers_share(corpora):
    """5 % of 10,431 are 522, of which 394 right are the printed 75.48 %."""
    split = production_split(pd.concat(corpora))
    assert (len(split.test), len(split.train)) == (522, 10_431 - 522)
    assert round(100 * 394 / len(split.test), 2) == 75.48


def test_production_shares_speakers_and_says_which(table):
    split = production_split(table)
    assert shared_speakers(split) == sorted("made-up/" + split.test["speaker"].unique())


def test_disjoint_production_shares_none(table):
    split = production_split(table, disjoint=True)
    assert shared_speakers(split) == [] and len(split.test)
    speakers = [set(part["speaker"]) for part in split.parts.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == table["speaker"].nunique()


def test_every_fifth_speaker_tests_and_every_eighth_of_the_others_validates(table):
    """Of CREMA-D's 91 actors these are 19 and 9, which leaves 63."""
    actors = pd.DataFrame({"corpus": "cremad", "speaker": [str(number) for number in range(1001, 1092)]})
    split = production_split(actors.assign(path=actors["speaker"], digest=""), disjoint=True)
    assert [len(part) for part in split.parts.values()] == [63, 9, 19]
    assert [*split.test["speaker"][:3]] == ["1001", "1006", "1011"]


def test_one_speaker_is_too_few_for_a_disjoint_split():
    lonely = pd.DataFrame({"corpus": "cremad", "speaker": "1001", "path": ["a", "b"], "digest": ""})
    with pytest.raises(ValueError, match="set is empty; are all sessions, and speakers enough"):
        production_split(lonely, disjoint=True)


def test_production_split_is_the_same_for_the_same_seed(table):
    first, again, other = (production_split(table, seed).test["path"].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_production_never_has_identical_audio_on_both_sides(table):
    """As CREMA-D's 1006_TIE_HAP_XX and 1006_TIE_NEU_XX: wherever the shuffle puts them, both train or neither."""
    digests = [f"digest {row // 2}" for row in range(len(table))]
    together = production_split(table.assign(digest=digests))
    assert not set(together.train["digest"]) & set(together.test["digest"])
    apart = production_split(table)  # the same shuffle, which splits some pairs
    assert set(together.test["path"]) < set(apart.test["path"])
    assert together.train["path"][: len(apart.train)].tolist() == apart.train["path"].tolist()


def test_twins_leave_the_recorded_production_split_as_it_is(recorded_cremad):
    """The pair trains in it, so that the 245 utterances held out are those of the recorded predictions, in order."""
    run = pd.read_csv(results_root() / "open" / "runs" / "cremad-production-random" / "predictions.csv", dtype=str)
    split = production_split(recorded_cremad)
    assert split.test["utterance"].tolist() == run["utterance"].tolist() and len(split.test) == 245
    assert {"1006_TIE_HAP_XX", "1006_TIE_NEU_XX"} <= set(split.train["utterance"])
