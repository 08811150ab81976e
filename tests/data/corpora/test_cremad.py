import pandas as pd
import pytest

from sercore.data import CORPORA
from sercore.data.corpora.cremad import ACTORS, FEMALE_ACTORS

SPEC = CORPORA["cremad"]


def described(utterance: str) -> dict:
    return SPEC.describe(SPEC.stem.fullmatch(utterance))


def test_name_tells_speaker_sex_emotion_and_intensity():
    # 1001 is a man in VideoDemographics.csv.
    assert described("1001_IEO_ANG_HI") == {"speaker": "1001", "sex": "male", "code": "ANG", "intensity": "high"}


def test_old_stem_with_one_x_is_read():
    assert described("1040_ITH_SAD_X") == described("1040_ITH_SAD_XX")


def test_unknown_actor_and_other_names_are_left_out():
    with pytest.raises(ValueError, match=r"^unknown actor 1092$"):
        described("1092_DFA_ANG_XX")
    assert not SPEC.stem.fullmatch("notes")


def test_sexes_are_those_of_the_demographics_table(real_cremad):
    actors = pd.read_csv(real_cremad / "VideoDemographics.csv")
    assert set(actors["ActorID"]) == set(ACTORS)
    assert set(actors.loc[actors["Sex"] == "Female", "ActorID"]) == FEMALE_ACTORS
