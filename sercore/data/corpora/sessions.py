"""Sessions for corpora that have none: five groups of speakers, balanced by sex and by number of utterances."""

import pandas as pd

SESSIONS = (1, 2, 3, 4, 5)


def assign_sessions(table: pd.DataFrame) -> pd.Series:
    """Gives every utterance one of five speaker-disjoint sessions.

    Speakers of one sex after the other, the largest first, each go to the session that has the fewest utterances of
    that sex so far (then the fewest in all, then the lowest number). The order of the rows has no part in it.

    Args:
        table: one row per utterance, with columns corpus, speaker and sex.

    Returns:
        Session of each row, an integer from 1 to 5.

    Raises:
        ValueError: there are fewer speakers than sessions.
    """
    speakers = table.groupby(["sex", "speaker"]).size().rename("utterances").reset_index()
    if len(speakers) < len(SESSIONS):
        corpus = ", ".join(table["corpus"].unique())
        raise ValueError(
            f"{corpus}: {len(speakers)} speakers are too few for {len(SESSIONS)} speaker-disjoint sessions; "
            "use a fuller copy of the corpus"
        )
    session_of: dict[str, int] = {}
    total = dict.fromkeys(SESSIONS, 0)
    for _, same_sex in speakers.groupby("sex"):
        of_this_sex = dict.fromkeys(SESSIONS, 0)
        for row in same_sex.sort_values(["utterances", "speaker"], ascending=[False, True]).itertuples():
            session = min(SESSIONS, key=lambda number: (of_this_sex[number], total[number], number))
            session_of[row.speaker] = session
            of_this_sex[session] += row.utterances
            total[session] += row.utterances
    return table["speaker"].map(session_of).astype("int64").rename("session")
