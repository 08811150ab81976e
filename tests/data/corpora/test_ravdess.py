import shutil

import pytest

from sercore.data.corpora.ravdess import describe, find_utterances


def test_name_tells_speaker_sex_emotion_and_intensity():
    # RAVDESS manual: 05 is angry, 02 is strong, even actors are women.
    assert describe("03-01-05-02-01-01-12") == {
        "speaker": "Actor_12", "sex": "female", "emotion": "anger", "intensity": "strong"
    }  # fmt: skip


def test_odd_actor_is_a_man():
    assert describe("03-01-01-01-01-01-07")["sex"] == "male"


def test_calm_is_merged_into_neutral_by_default():
    assert describe("03-01-02-01-01-01-01")["emotion"] == "neutral"


@pytest.mark.parametrize(
    ("utterance", "reason"),
    [
        ("03-02-05-02-01-01-12", "song channel"),
        ("03-03-05-02-01-01-12", "unknown channel 03"),
        ("01-01-05-02-01-01-12", "not audio-only \\(modality 01\\)"),
        ("02-01-05-02-01-01-12", "not audio-only \\(modality 02\\)"),
        ("03-01-06-02-01-01-12", "emotion outside the four"),
        ("03-01-09-02-01-01-12", "unknown emotion code 09"),
        ("03-01-05-03-01-01-12", "unknown intensity 03"),
        ("03-01-05-02-01-01-25", "unknown actor 25"),
        ("03-01-05-02-01-01", "not a RAVDESS name"),
    ],
)
def test_reason_for_leaving_out(utterance, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        describe(utterance)


def test_excluded_calm_is_counted(synthetic):
    rows, left_out = find_utterances(synthetic["ravdess"], calm="exclude")
    # The writer lets each of 12 actors say one calm utterance and four others of the four classes.
    assert (len(rows), len(left_out["calm excluded"])) == (48, 12)


def test_copy_of_the_tree_below_itself_counts_once(tmp_path, synthetic):
    shutil.copytree(synthetic["ravdess"], tmp_path / "corpus")
    shutil.copytree(synthetic["ravdess"], tmp_path / "corpus" / "audio_speech_actors_01-24")
    rows, _ = find_utterances(tmp_path / "corpus")
    assert len(rows) == len({row["utterance"] for row in rows}) == 60
    assert not any("audio_speech_actors" in row["path"] for row in rows)


@pytest.mark.parametrize("layout", ["Actor_12", "audio_speech_actors_01-24/Actor_12", "."])
def test_layouts(tmp_path, write_audio, layout):
    write_audio(tmp_path / layout / "03-01-05-02-01-01-12.flac")
    rows, _ = find_utterances(tmp_path)
    assert [row["utterance"] for row in rows] == ["03-01-05-02-01-01-12"]


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^ravdess: {tmp_path} is empty; .*SERCORE_RAVDESS"):
        find_utterances(tmp_path)


def test_folder_of_another_corpus_is_refused(synthetic):
    with pytest.raises(FileNotFoundError, match="holds nothing of it; expected Actor_01/"):
        find_utterances(synthetic["cremad"])


def test_original_wav_files(wav_samples):
    rows, left_out = find_utterances(wav_samples / "ravdess")
    assert {row["utterance"]: (row["sex"], row["emotion"]) for row in rows} == {
        "03-01-01-01-01-01-24": ("female", "neutral"),
        "03-01-02-01-01-02-01": ("male", "neutral"),
        "03-01-03-01-02-01-20": ("female", "happiness"),
        "03-01-04-01-02-01-12": ("female", "sadness"),
        "03-01-05-02-01-01-01": ("male", "anger"),
    }
    assert len(left_out["emotion outside the four"]) == 2  # 07 is disgust, 08 is surprised
