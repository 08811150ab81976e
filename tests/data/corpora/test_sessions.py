import pandas as pd
import pytest

from sercore.data import assign_sessions


@pytest.fixture
def table() -> pd.DataFrame:
    """Six women and six men with 1 to 12 utterances each."""
    speakers = [(f"s{number:02d}", "female" if number % 2 else "male") for number in range(1, 13)]
    rows = [(speaker, sex) for speaker, sex in speakers for _ in range(int(speaker[1:]))]
    return pd.DataFrame(rows, columns=["speaker", "sex"]).assign(corpus="cremad")


def test_there_are_five_sessions(table):
    assert set(assign_sessions(table)) == {1, 2, 3, 4, 5}


def test_no_speaker_is_in_two_sessions(table):
    assert assign_sessions(table).groupby(table["speaker"]).nunique().eq(1).all()


def test_order_of_rows_does_not_matter(table):
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(assign_sessions(shuffled).sort_index(), assign_sessions(table))


def test_largest_speakers_are_placed_first(table):
    session = assign_sessions(table).groupby(table["speaker"]).first()
    # By hand: women of 11, 9, 7, 5, 3 utterances open sessions 1 to 5, the one of 1 joins the smallest (5). Men of 12,
    # 10, 8 open the sessions with the fewest women's utterances: 5 (4), 4 (5), 3 (7); those of 6, 4 open 2 (9), 1 (11).
    # The last man, of 2, joins the session with the fewest men's: 1 (4).
    assert session.to_dict() == {
        "s11": 1, "s09": 2, "s07": 3, "s05": 4, "s03": 5, "s01": 5,
        "s12": 5, "s10": 4, "s08": 3, "s06": 2, "s04": 1, "s02": 1,
    }  # fmt: skip


def test_too_few_speakers_are_refused(table):
    with pytest.raises(ValueError, match=r"^cremad: 4 speakers are too few for 5 speaker-disjoint sessions"):
        assign_sessions(table[table["speaker"].isin(["s01", "s02", "s03", "s04"])])
