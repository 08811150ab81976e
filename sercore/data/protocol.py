"""Who trains, who validates, who is held out: leave-one-session-out and the production split."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.utils.class_weight import compute_class_weight

from sercore.config import FOLDS
from sercore.emotions import EMOTIONS

HOLD_OUT = 0.05  # share of all utterances that production keeps back (section V-A)


@dataclass(frozen=True)
class Split:
    """Three tables of utterances, one row each, as `load_corpus` gives them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The three tables by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def validation_session(fold: int) -> int:
    """The session that fold k validates on: the one after the tested one (Table I's weights fit no other)."""
    return fold % 5 + 1


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
    train = table[~test & ~validation]
    if permanent is not None:
        train = pd.concat([train, permanent])
    split = _split(train, table[validation], table[test])
    _refuse_leak(split, ("speaker", "path", "digest"))
    return split


def production_split(table: pd.DataFrame, seed: int = 0, disjoint: bool = False) -> Split:
    """Keeps 5 % back for validation and testing alike (section V-A).

    Args:
        table: all utterances of all training corpora.
        seed: of the shuffle.
        disjoint: False shuffles utterances as the paper does, so that speakers are on both sides
            (`shared_speakers` counts them); True keeps whole speakers back.

    Raises:
        ValueError: a path in two parts, or, when `disjoint`, a speaker.
    """
    if disjoint:
        splitter = GroupShuffleSplit(n_splits=1, test_size=HOLD_OUT, random_state=seed)
        train, held = next(splitter.split(table, groups=_who(table)))
    else:
        train, held = train_test_split(np.arange(len(table)), test_size=HOLD_OUT, random_state=seed)
    split = _split(table.iloc[train], table.iloc[held], table.iloc[held])
    _refuse_leak(Split(split.train, split.validation.iloc[:0], split.test), ("speaker", "path") if disjoint else ("path",))
    return split


def shared_speakers(split: Split) -> list[str]:
    """Speakers of the test set that training has heard, as corpus/speaker; empty where the split is honest."""
    return sorted(set(_who(split.train)) & set(_who(split.test)))


def class_weights(train: pd.DataFrame) -> list[float]:
    """Balanced weights N / (4 n_c) in the order of the emotions (the alpha of section III-D).

    Raises:
        ValueError: an emotion is absent.
    """
    absent = [emotion for emotion in EMOTIONS if not (train["emotion"] == emotion).any()]
    if absent:
        raise ValueError(f"the training set holds no utterance of {', '.join(absent)}; its weight would be infinite.")
    return compute_class_weight("balanced", classes=np.array(EMOTIONS), y=train["emotion"].to_numpy()).tolist()


def _split(*parts: pd.DataFrame) -> Split:
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        if part.empty:
            raise ValueError(f"the {name} set is empty; are all five sessions of the corpus there?")
    return Split(*(part.reset_index(drop=True) for part in parts))


def _who(part: pd.DataFrame) -> pd.Series:
    return part["corpus"] + "/" + part["speaker"]


def _refuse_leak(split: Split, columns: tuple[str, ...]) -> None:
    """`digest` is there once the audio has been read; silent utterances have none."""
    for (one, first), (other, second) in combinations(split.parts.items(), 2):
        for column in columns:
            if column not in first or column not in second:
                continue
            values = [_who(part) if column == "speaker" else part[column] for part in (first, second)]
            shared = sorted(set(values[0]) & set(values[1]) - {""})
            if shared:
                raise ValueError(f"leak: {column} {shared[0]!r} is in both {one} and {other} ({len(shared)} shared).")
