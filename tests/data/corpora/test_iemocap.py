import shutil
from pathlib import Path

import pytest

from sercore.data.corpora.iemocap import SUMMARY, describe, find_utterances

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
RATERS = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"


def summary(utterance: str, code: str = "neu") -> str:
    return f"[6.2901 - 8.2357]\t{utterance}\t{code}\t[2.5000, 3.5000, 1.5000]\n"


@pytest.fixture
def corpus(tmp_path, write_audio):
    """Writes a dialog of session 3 with the given label file, and audio for the utterances named."""

    def write(labels: str, utterances: tuple[str, ...] = (), root: Path = tmp_path) -> Path:
        evaluation = root / "Session3" / "dialog" / "EmoEvaluation"
        evaluation.mkdir(parents=True)
        (evaluation / "Ses03M_impro05a.txt").write_text(HEADER + labels)
        for utterance in utterances:
            write_audio(root / "Session3" / "sentences" / "wav" / "Ses03M_impro05a" / f"{utterance}.wav")
        return root

    return write


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
    columns = describe(utterance, SUMMARY.fullmatch(summary(utterance).strip()))
    assert (columns["speaker"], columns["sex"], columns["session"]) == (speaker, sex, session)


def test_triple_is_valence_activation_dominance(corpus):
    rows, _ = find_utterances(corpus(summary("Ses03M_impro05a_F000") + RATERS, ("Ses03M_impro05a_F000",)))
    assert [(row["valence"], row["activation"], row["dominance"]) for row in rows] == [(2.5, 3.5, 1.5)]


@pytest.mark.parametrize("code", ["hap", "exc"])
def test_happiness_includes_excitement(corpus, code):
    rows, _ = find_utterances(corpus(summary("Ses03M_impro05a_F000", code), ("Ses03M_impro05a_F000",)))
    assert rows[0]["emotion"] == "happiness"


def test_other_codes_are_counted_by_code(corpus):
    codes = {"F000": "xxx", "F001": "fru", "M000": "fru", "M001": "zzz"}
    labels = "".join(summary(f"Ses03M_impro05a_{turn}", code) for turn, code in codes.items())
    rows, left_out = find_utterances(corpus(labels))
    assert rows == []
    assert left_out == {
        "label xxx": ["Ses03M_impro05a_F000"],
        "label fru": ["Ses03M_impro05a_F001", "Ses03M_impro05a_M000"],
        "unknown label zzz": ["Ses03M_impro05a_M001"],
    }


def test_labelled_utterance_without_audio_is_left_out(corpus):
    _, left_out = find_utterances(corpus(summary("Ses03M_impro05a_F000")))
    assert left_out == {"no audio file": ["Ses03M_impro05a_F000"]}


def test_audio_without_label_is_left_out(corpus):
    folder = corpus(summary("Ses03M_impro05a_F000"), ("Ses03M_impro05a_F000", "Ses03M_impro05a_F001"))
    rows, left_out = find_utterances(folder)
    assert len(rows) == 1
    assert left_out == {"no label line": ["Ses03M_impro05a_F001"]}


def test_label_line_that_cannot_be_read_is_named(corpus):
    broken = "[6.2901 - 8.2357]\tSes03M_impro05a_F001\tneu\n"
    _, left_out = find_utterances(corpus(summary("Ses03M_impro05a_F000") + broken, ("Ses03M_impro05a_F000",)))
    # Two header lines, one summary, then the broken one.
    assert left_out == {"unreadable label line": ["Ses03M_impro05a:4"]}


def test_dot_files_are_skipped(synthetic):
    rows, left_out = find_utterances(synthetic["iemocap"])
    names = [row["utterance"] for row in rows] + [name for names in left_out.values() for name in names]
    assert list((synthetic["iemocap"]).rglob("._*"))
    assert not any(name.startswith(".") for name in names)


def test_folder_above_the_sessions_is_accepted(tmp_path, synthetic):
    shutil.copytree(synthetic["iemocap"], tmp_path / "IEMOCAP_full_release")
    assert len(find_utterances(tmp_path)[0]) == len(find_utterances(synthetic["iemocap"])[0])


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^iemocap: {tmp_path} is empty; .*SERCORE_IEMOCAP"):
        find_utterances(tmp_path)


def test_session_folders_without_labels_are_refused(tmp_path):
    (tmp_path / "Session1").mkdir()
    with pytest.raises(FileNotFoundError, match="holds nothing of it; expected Session1/ to Session5/"):
        find_utterances(tmp_path)
