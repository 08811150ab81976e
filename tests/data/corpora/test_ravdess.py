import shutil

import pytest

from sercore.data import CORPORA, load_corpus

SPEC = CORPORA["ravdess"]


def described(utterance: str) -> dict:
    return SPEC.describe(SPEC.stem.fullmatch(utterance))


def test_name_tells_speaker_sex_emotion_and_intensity():
    # RAVDESS manual: 05 is angry, 02 is strong, even actors are women.
    columns = {"speaker": "Actor_12", "sex": "female", "code": "05", "intensity": "strong"}
    assert described("03-01-05-02-01-01-12") == columns
    assert SPEC.emotions["05"] == "anger"
    assert described("03-01-01-01-01-01-07")["sex"] == "male"


@pytest.mark.parametrize(
    ("utterance", "reason"),
    [
        ("03-02-05-02-01-01-12", "song channel"),
        ("03-03-05-02-01-01-12", "unknown channel 03"),
        ("01-01-05-02-01-01-12", "not audio-only \\(modality 01\\)"),
        ("03-01-05-03-01-01-12", "unknown intensity 03"),
        ("03-01-05-02-01-01-25", "unknown actor 25"),
    ],
)
def test_reason_for_leaving_out(utterance, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        described(utterance)


def test_calm_counts_as_neutral_or_is_left_out(synthetic):
    # The writer lets each of 12 actors say one calm utterance, one neutral and three others of the four classes.
    assert (load_corpus("ravdess", synthetic["ravdess"])["emotion"] == "neutral").sum() == 24
    table = load_corpus("ravdess", synthetic["ravdess"], calm="exclude")
    assert (len(table), len(table.attrs["left_out"]["another emotion: calm"])) == (48, 12)


def test_copy_of_the_tree_below_itself_counts_once(tmp_path, synthetic):
    shutil.copytree(synthetic["ravdess"], tmp_path / "corpus")
    shutil.copytree(synthetic["ravdess"], tmp_path / "corpus" / "audio_speech_actors_01-24")
    table = load_corpus("ravdess", tmp_path / "corpus")
    assert len(table) == table["utterance"].nunique() == 60
    assert not table["path"].str.contains("audio_speech_actors").any()
