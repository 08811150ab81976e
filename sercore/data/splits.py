"""Who trains, who validates, who is held out: sessions, leave-one-session-out and the production split."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

from sercore.experiment import FOLDS
from sercore.labels import EMOTIONS

HOLD_OUT = 0.05  # share of all utterances that the paper's production model keeps back (section V-A)
TESTING, VALIDATING = 5, 8  # where speakers are kept back, every fifth tests, and of the others every eighth validates


@dataclass(frozen=True)
class Split:
    """Three tables of utterances, one row each, as `load_corpus` gives them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        return dict(vars(self))


def assign_sessions(table: pd.DataFrame) -> pd.Series:
    """Gives every utterance of a corpus without sessions one of five, 1 to 5, whatever the order of the rows.

    Speakers of one sex after the other, the largest first, each go to the session that has the fewest utterances of
    that sex so far (then the fewest in all, then the lowest number).

    Args:
        table: one row per utterance, with columns corpus, speaker and sex.

    Raises:
        ValueError: there are fewer speakers than sessions.
    """
    speakers = table.value_counts(["sex", "speaker"]).reset_index(name="utterances")
    if len(speakers) < len(FOLDS):
        few = f"{len(speakers)} speakers are too few for {len(FOLDS)} speaker-disjoint sessions"
        raise ValueError(f"{table['corpus'].iloc[0]}: {few}; use a fuller copy of the corpus.")
    session_of, sizes = {}, Counter()
    for row in speakers.sort_values(["sex", "utterances", "speaker"], ascending=[True, False, True]).itertuples():
        session = min(FOLDS, key=lambda number: (sizes[row.sex, number], sizes[number]))
        session_of[row.speaker] = session
        sizes.update({(row.sex, session): row.utterances, session: row.utterances})
    return table["speaker"].map(session_of).astype("int64").rename("session")


def validation_session(fold: int) -> int:
    """The session that fold k validates on: the one after the tested one (Table I's weights fit no other)."""
    return fold % len(FOLDS) + 1


def loso_split(table: pd.DataFrame, fold: int, permanent: pd.DataFrame | None = None) -> Split:
    """Three sessions train, one validates, one is held out (section III-A).

    Args:
        table: the primary corpus, sessions 1 to 5.
        fold: the session held out for testing, 1 to 5.
        permanent: a corpus that is added to the training set whole, whatever the fold.

    Raises:
        ValueError: a fold out of 1..5, an empty part, or a leak: a speaker, a path or identical audio in two parts.
    """
    if fold not in FOLDS:
        raise ValueError(f"fold is {fold}; it must be one of {FOLDS}.")
    test = table["session"] == fold
    validation = table["session"] == validation_session(fold)
    train = pd.concat([table[~test & ~validation], permanent])
    parts = (part.reset_index(drop=True) for part in (train, table[validation], table[test]))
    return _prove(Split(*parts), "speaker", "path", "digest")


def production_split(table: pd.DataFrame, seed: int = 0, disjoint: bool = False) -> Split:
    """Keeps 5 % of the utterances back for validation and testing alike (section V-A), or a fifth of the speakers.

    Args:
        table: all utterances of all training corpora.
        seed: of the shuffle of utterances.
        disjoint: True keeps whole speakers back, some to validate on and others to test on, whatever the seed; False
            utterances, as the paper does (see `shared_speakers`); identical audio is never on both sides.

    Raises:
        ValueError: a path in two parts or, when `disjoint`, a speaker; or too few speakers for three parts.
    """
    if disjoint:
        who = _who(table)
        test = sorted(set(who))[::TESTING]
        validation = sorted(set(who) - {*test})[::VALIDATING]
        train = set(who) - {*test, *validation}
        parts = (table[who.isin(names)].reset_index(drop=True) for names in (train, validation, test))
        return _prove(Split(*parts), "speaker", "path", "digest")
    train, held = train_test_split(table, test_size=HOLD_OUT, random_state=seed)
    if "digest" in table:  # identical audio trains with its twin; silent utterances have no digest
        twins = held["digest"].isin(set(train["digest"]) - {""})
        train, held = pd.concat([train, held[twins]]), held[~twins]
    train, held = (part.reset_index(drop=True) for part in (train, held))
    return _prove(Split(train, held, held), "path", "digest")


def shared_speakers(split: Split) -> list[str]:
    """Speakers of the test set who are in the training set too, as corpus/speaker; empty where the split is honest."""
    return sorted(set(_who(split.train)) & set(_who(split.test)))


def class_weights(train: pd.DataFrame) -> list[float]:
    """Balanced weights N / (K n_c), K classes, in the order of the emotions (the alpha of section III-D).

    Raises:
        ValueError: an emotion is absent.
    """
    if absent := [emotion for emotion in EMOTIONS if emotion not in set(train["emotion"])]:
        raise ValueError(f"the training set holds no utterance of {', '.join(absent)}; its weight would be infinite.")
    return compute_class_weight("balanced", classes=np.array(EMOTIONS), y=train["emotion"]).tolist()


def _who(part: pd.DataFrame) -> pd.Series:
    return part["corpus"] + "/" + part["speaker"]


def _prove(split: Split, *columns: str) -> Split:
    """Refuses an empty part, and a value of a column in two parts, unless these are the same table."""
    for name, part in split.parts.items():
        if part.empty:
            raise ValueError(f"the {name} set is empty; are all sessions, and speakers enough, of the corpus there?")
    for (one, first), (other, second) in combinations(split.parts.items(), 2):
        for column in () if first is second else columns:
            values = [set(_who(part) if column == "speaker" else part.get(column, ())) for part in (first, second)]
            if shared := values[0] & values[1] - {""}:  # silent utterances have no digest
                raise ValueError(f"leak: {column} {min(shared)!r} is in both {one} and {other} ({len(shared)} shared).")
    return split
