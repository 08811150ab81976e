import pytest

from sercore.data import CORPORA, load_corpus
from sercore.data.corpora.iemocap import read_labels

SPEC = CORPORA["iemocap"]
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
RATERS = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"


def summary(utterance: str, code: str = "neu") -> str:
    return f"[6.2901 - 8.2357]\t{utterance}\t{code}\t[2.5000, 3.5000, 1.5000]\n"


@pytest.fixture
def labels_of(tmp_path):
    """Reads a dialog of session 3 with the given label file."""

    def read(text: str) -> tuple[dict, dict]:
        folder = tmp_path / "Session3/dialog/EmoEvaluation"
        folder.mkdir(parents=True)
        (folder / "Ses03M_impro05a.txt").write_text(HEADER + text)
        (folder / "._Ses03M_impro05a.txt").write_bytes(b"\0\5\26\7")  # what a Mac leaves there
        return read_labels(tmp_path)

    return read


@pytest.mark.parametrize(
    ("utterance", "speaker", "sex", "session"),
    [
        ("Ses01F_impro01_F000", "Ses01F", "female", 1),
        ("Ses03M_impro05a_F012", "Ses03F", "female", 3),
        ("Ses05M_script01_1b_F003", "Ses05F", "female", 5),
        ("Ses02F_script03_2_MXX1", "Ses02M", "male", 2),
    ],
)
def test_speaker_comes_from_the_last_token(utterance, speaker, sex, session):
    columns = SPEC.describe(SPEC.stem.fullmatch(utterance))
    assert columns == {"speaker": speaker, "sex": sex, "session": session}


def test_a_summary_line_gives_code_valence_activation_dominance(labels_of):
    labels, unread = labels_of(summary("Ses03M_impro05a_F000") + RATERS)
    columns = {"code": "neu", "valence": 2.5, "activation": 3.5, "dominance": 1.5}
    assert labels == {"Ses03M_impro05a_F000": columns} and unread == {}


def test_happiness_includes_excitement():
    """Section III-A."""
    assert SPEC.emotions["hap"] == SPEC.emotions["exc"] == "happiness"


def test_label_line_that_cannot_be_read_is_named(labels_of):
    # Two header lines, one summary, then the broken one.
    _, unread = labels_of(summary("Ses03M_impro05a_F000") + "[6.2901 - 8.2357]\tSes03M_impro05a_F001\tneu\n")
    assert unread == {"unreadable label line": ["Ses03M_impro05a:4"]}


def test_what_lacks_label_or_audio_and_other_emotions_are_counted(tmp_path, labels_of, write_audio):
    turns = {f"Ses03M_impro05a_{turn}": code for turn, code in {"F000": "neu", "F001": "fru", "M000": "zzz"}.items()}
    labels_of("".join(summary(utterance, code) for utterance, code in turns.items()))
    write_audio(tmp_path / "Session3/sentences/wav/Ses03M_impro05a/Ses03M_impro05a_F009.wav")
    reasons = "no audio file: 1; another emotion: frustration: 1; no label line: 1; unknown emotion code zzz: 1"
    with pytest.raises(ValueError, match=rf"holds no usable utterance \({reasons}\)"):
        load_corpus("iemocap", tmp_path)


def test_folder_above_the_sessions_is_accepted(tmp_path, synthetic):
    (tmp_path / "IEMOCAP_full_release").symlink_to(synthetic["iemocap"])
    assert len(load_corpus("iemocap", tmp_path)) == len(load_corpus("iemocap", synthetic["iemocap"]))
