import pandas as pd
import pytest

from sercore.data.corpora.cremad import ACTORS, FEMALE_ACTORS, describe, find_utterances


def test_name_tells_speaker_sex_emotion_and_intensity():
    # 1001 is a man in VideoDemographics.csv.
    assert describe("1001_IEO_ANG_HI") == {
        "speaker": "1001", "sex": "male", "emotion": "anger", "intensity": "high"
    }  # fmt: skip


def test_old_stem_with_one_x_is_read():
    assert describe("1040_ITH_SAD_X") == describe("1040_ITH_SAD_XX")


@pytest.mark.parametrize(
    ("utterance", "reason"),
    [
        ("1017_IWW_FEA_XX", "emotion outside the four"),
        ("1013_WSI_DIS_XX", "emotion outside the four"),
        ("1001_DFA_ZZZ_XX", "unknown emotion code ZZZ"),
        ("1092_DFA_ANG_XX", "unknown actor 1092"),
        ("notes", "not a CREMA-D name"),
    ],
)
def test_reason_for_leaving_out(utterance, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        describe(utterance)


def test_sexes_are_those_of_the_demographics_table(real_cremad):
    actors = pd.read_csv(real_cremad / "VideoDemographics.csv")
    assert set(actors["ActorID"]) == set(ACTORS)
    assert set(actors.loc[actors["Sex"] == "Female", "ActorID"]) == FEMALE_ACTORS


@pytest.mark.parametrize("layout", ["AudioWAV", "AudioMP3", "copy/AudioWAV", "."])
def test_layouts(tmp_path, write_audio, layout):
    write_audio(tmp_path / layout / "1001_DFA_ANG_XX.wav")
    rows, _ = find_utterances(tmp_path)
    assert [row["utterance"] for row in rows] == ["1001_DFA_ANG_XX"]


def test_utterance_in_wav_and_mp3_counts_once(tmp_path, write_audio):
    write_audio(tmp_path / "AudioMP3" / "1001_DFA_ANG_XX.mp3")
    wav = write_audio(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    rows, left_out = find_utterances(tmp_path)
    assert [row["path"] for row in rows] == [str(wav)]
    assert left_out == {}


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^cremad: {tmp_path} is empty; .*SERCORE_CREMAD"):
        find_utterances(tmp_path)


def test_folder_of_another_corpus_is_refused(synthetic):
    with pytest.raises(FileNotFoundError, match="holds nothing of it; expected AudioWAV/"):
        find_utterances(synthetic["ravdess"])


def test_original_wav_files(wav_samples):
    rows, left_out = find_utterances(wav_samples / "cremad")
    # Of the eight originals one is disgust and one is fear.
    assert {row["utterance"]: row["emotion"] for row in rows} == {
        "1001_DFA_NEU_XX": "neutral",
        "1001_IEO_ANG_HI": "anger",
        "1006_TIE_HAP_XX": "happiness",
        "1006_TIE_NEU_XX": "neutral",
        "1076_MTI_SAD_XX": "sadness",
        "1091_IEO_SAD_LO": "sadness",
    }
    assert left_out == {"emotion outside the four": ["1013_WSI_DIS_XX", "1017_IWW_FEA_XX"]}


def test_durations_lie_in_the_corpus_s_range(real_cremad):
    rows, _ = find_utterances(real_cremad)
    durations = [row["duration"] for row in rows]
    # 1.27 to 5.01 s over all six classes of the corpus.
    assert 1.26 < min(durations) < max(durations) < 5.02
