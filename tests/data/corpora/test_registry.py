"""One table per corpus, whatever its layout on disk, with everything that is left out counted by reason."""

import shutil

import pandas as pd
import pytest

from sercore import paths
from sercore.data import CORPORA, load_corpus
from sercore.labels import EMOTIONS

COLUMNS = ["utterance", "path", "corpus", "speaker", "sex", "session", "emotion", "duration"]
# CREMA-D: paper, Table I. RAVDESS: 24 actors x 2 statements x 2 repetitions x 2 intensities; neutral has one intensity,
# to which calm adds its two. 864 in all, the only set that fits the paper's figures.
COUNTS = {
    "cremad": {"anger": 1271, "happiness": 1271, "neutral": 1087, "sadness": 1271},
    "ravdess": {"anger": 192, "happiness": 192, "neutral": 288, "sadness": 192},
}


@pytest.fixture(scope="module")
def real(real_cremad, real_ravdess) -> dict[str, pd.DataFrame]:
    return {"cremad": load_corpus("cremad", real_cremad), "ravdess": load_corpus("ravdess", real_ravdess)}


@pytest.mark.parametrize(("name", "speakers"), [("cremad", 91), ("ravdess", 24)])
def test_real_corpora_have_the_paper_s_counts(real, name, speakers):
    assert real[name]["emotion"].value_counts().to_dict() == COUNTS[name]
    assert (len(real[name]), real[name]["speaker"].nunique()) == (sum(COUNTS[name].values()), speakers)


def test_real_durations_lie_in_the_corpus_s_range(real):
    """1.27 to 5.01 s over all six classes of CREMA-D."""
    assert real["cremad"]["duration"].between(1.26, 5.02).all()


def test_real_ravdess_without_calm(real_ravdess):
    table = load_corpus("ravdess", real_ravdess, calm="exclude")
    assert len(table) == 864 - 24 * 8  # 8 calm utterances of each actor
    assert (table["emotion"] == "neutral").sum() == 96


@pytest.mark.parametrize("name", ["cremad", "ravdess"])
def test_sessions_of_real_corpora_are_balanced_by_sex_and_size(real, name):
    largest_speaker = real[name]["speaker"].value_counts().max()
    # Greedy placement keeps the sessions within one speaker of each other, for each sex.
    for _, same_sex in real[name].groupby("sex"):
        sizes = same_sex["session"].value_counts()
        assert len(sizes) == 5
        assert sizes.max() - sizes.min() <= largest_speaker


@pytest.mark.parametrize(("name", "speakers"), [("cremad", 4), ("ravdess", 4)])
def test_original_wav_files_are_read_and_too_few_for_sessions(real_cremad, name, speakers):
    folder = real_cremad.parent / "wav_samples" / name
    if not folder.is_dir():
        pytest.skip(f"no original wav files in {folder}")
    with pytest.raises(ValueError, match=f"^{name}: {speakers} speakers are too few for 5"):
        load_corpus(name, folder)


@pytest.mark.parametrize(
    ("name", "own"),
    [("iemocap", ["valence", "activation", "dominance"]), ("cremad", ["intensity"]), ("ravdess", ["intensity"])],
)
def test_table_has_the_same_columns_and_is_sorted(synthetic, name, own):
    table = load_corpus(name, str(synthetic[name]))
    assert list(table) == COLUMNS + own
    assert table["utterance"].is_monotonic_increasing and table["utterance"].is_unique
    assert isinstance(table.index, pd.RangeIndex)
    assert set(table["emotion"]) == set(EMOTIONS)


def test_other_emotions_are_counted_by_name(synthetic):
    """Of the writer's 20 actors 8 have the list of sentences that ends with DIS, 6 that which ends with FEA."""
    left_out = load_corpus("cremad", synthetic["cremad"]).attrs["left_out"]
    assert {reason: len(names) for reason, names in left_out.items()} == {
        "another emotion: disgust": 8,
        "another emotion: fear": 6,
    }


@pytest.mark.parametrize(
    ("name", "layout", "file"),
    [
        ("cremad", ".", "1001_DFA_ANG_XX.wav"),
        ("cremad", "AudioMP3", "1001_DFA_ANG_XX.mp3"),
        ("cremad", "copy/AudioWAV", "1001_DFA_ANG_XX.wav"),
        ("ravdess", ".", "03-01-05-02-01-01-12.flac"),
        ("ravdess", "audio_speech_actors_01-24/Actor_12", "03-01-05-02-01-01-12.wav"),
    ],
)
def test_layouts(tmp_path, write_audio, name, layout, file):
    write_audio(tmp_path / layout / file)
    with pytest.raises(ValueError, match="1 speakers are too few"):  # which says that the one file was found
        load_corpus(name, tmp_path)


def test_synthetic_corpus_is_written_on_first_use(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "synthetic_root", lambda: tmp_path)
    first = load_corpus("ravdess", "synthetic")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")}
    pd.testing.assert_frame_equal(load_corpus("ravdess", "synthetic"), first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")} == written


@pytest.mark.parametrize("name", CORPORA)
def test_absent_empty_and_wrong_folders_are_named(tmp_path, synthetic, name):
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "nowhere")):
        load_corpus(name, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=f"^{name}: {tmp_path} is empty; expected .*SERCORE_{name.upper()}"):
        load_corpus(name, tmp_path)
    other = synthetic["cremad" if name == "ravdess" else "ravdess"]
    with pytest.raises(FileNotFoundError, match="holds nothing of it; expected"):
        load_corpus(name, other)


def test_unknown_choices_name_the_known_ones(synthetic):
    with pytest.raises(ValueError, match=r"^unknown corpus 'emodb'; choose one of cremad, iemocap, ravdess\.$"):
        load_corpus("emodb")
    with pytest.raises(ValueError, match=r"^unknown calm 'merge'; choose one of neutral, exclude\.$"):
        load_corpus("ravdess", synthetic["ravdess"], calm="merge")


@pytest.mark.fault("broken file in a corpus")
def test_broken_files_do_not_end_the_reading(tmp_path, synthetic):
    shutil.copytree(synthetic["cremad"], tmp_path / "cremad")
    audio = tmp_path / "cremad" / "AudioWAV"
    (audio / "1001_DFA_ANG_XX.wav").write_bytes(b"")
    for name in ("1002_IEO_ANG_MD", "1004_DFA_ANG_XX"):
        file = audio / f"{name}.wav"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    table = load_corpus("cremad", tmp_path / "cremad")
    assert len(table) == len(load_corpus("cremad", synthetic["cremad"])) - 3
    assert table.attrs["left_out"]["unreadable: empty file"] == ["1001_DFA_ANG_XX"]
    assert table.attrs["left_out"]["unreadable: truncated"] == ["1002_IEO_ANG_MD", "1004_DFA_ANG_XX"]
