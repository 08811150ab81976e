import shutil
import time

import pandas as pd
import pytest

from sercore import paths
from sercore.data.corpora import CORPORA, load_corpus

# CREMA-D: paper, Table I. RAVDESS: 24 actors x 2 statements x 2 repetitions x 2 intensities; neutral has one intensity,
# to which calm adds its two. 864 in all, the only set that fits the paper's figures.
CREMAD_COUNTS = {"anger": 1271, "happiness": 1271, "neutral": 1087, "sadness": 1271}
RAVDESS_COUNTS = {"anger": 192, "happiness": 192, "neutral": 288, "sadness": 192}
COLUMNS = ["utterance", "path", "corpus", "speaker", "sex", "session", "emotion", "duration"]


@pytest.fixture(scope="module")
def cremad(real_cremad) -> pd.DataFrame:
    return load_corpus("cremad", real_cremad)


@pytest.fixture(scope="module")
def ravdess(real_ravdess) -> pd.DataFrame:
    return load_corpus("ravdess", real_ravdess)


def test_cremad_has_the_paper_s_counts(cremad):
    assert cremad["emotion"].value_counts().to_dict() == CREMAD_COUNTS
    assert (len(cremad), cremad["speaker"].nunique()) == (4900, 91)


def test_ravdess_has_the_paper_s_counts(ravdess):
    assert ravdess["emotion"].value_counts().to_dict() == RAVDESS_COUNTS
    assert (len(ravdess), ravdess["speaker"].nunique()) == (864, 24)


def test_ravdess_without_calm(real_ravdess):
    table = load_corpus("ravdess", real_ravdess, calm="exclude")
    # 24 actors x 8 calm utterances fewer.
    assert (len(table), (table["emotion"] == "neutral").sum()) == (864 - 192, 96)
    assert len(table.attrs["left_out"]["calm excluded"]) == 192


@pytest.mark.parametrize("name", ["cremad", "ravdess"])
def test_sessions_are_balanced_by_sex_and_size(name, request):
    table = request.getfixturevalue(name)
    largest_speaker = table["speaker"].value_counts().max()
    # Greedy placement keeps the sessions within one speaker of each other, for each sex.
    for _, same_sex in table.groupby("sex"):
        sizes = same_sex["session"].value_counts()
        assert len(sizes) == 5
        assert sizes.max() - sizes.min() <= largest_speaker


def test_thousands_of_headers_are_read_within_seconds(real_cremad):
    load_corpus("cremad", real_cremad)
    started = time.perf_counter()
    load_corpus("cremad", real_cremad)
    assert time.perf_counter() - started < 6  # about one second on an idle core


@pytest.mark.parametrize("name", ["cremad", "ravdess"])
def test_original_wav_files_are_too_few_for_sessions(wav_samples, name):
    # Each folder of originals holds in-class utterances of four speakers.
    with pytest.raises(ValueError, match=f"^{name}: 4 speakers are too few"):
        load_corpus(name, wav_samples / name)


@pytest.mark.parametrize(
    ("name", "own"),
    [("iemocap", ["valence", "activation", "dominance"]), ("cremad", ["intensity"]), ("ravdess", ["intensity"])],
)
def test_columns(synthetic, name, own):
    assert list(load_corpus(name, synthetic[name])) == COLUMNS + own


@pytest.mark.parametrize("name", CORPORA)
def test_rows_are_sorted_by_utterance(synthetic, name):
    table = load_corpus(name, str(synthetic[name]))
    assert table["utterance"].is_monotonic_increasing
    assert table["utterance"].is_unique
    assert isinstance(table.index, pd.RangeIndex)


def test_synthetic_corpus_is_written_on_first_use(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "synthetic_root", lambda: tmp_path)
    first = load_corpus("ravdess", "synthetic")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")}
    pd.testing.assert_frame_equal(load_corpus("ravdess", "synthetic"), first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")} == written


def test_unknown_corpus_names_the_known_ones():
    with pytest.raises(ValueError, match="^unknown corpus 'emodb'; choose one of iemocap, cremad, ravdess$"):
        load_corpus("emodb")


def test_unknown_calm_names_the_choices(synthetic):
    with pytest.raises(ValueError, match="^unknown calm 'merge'; choose one of neutral, exclude$"):
        load_corpus("ravdess", synthetic["ravdess"], calm="merge")


@pytest.mark.parametrize("name", CORPORA)
def test_missing_folder_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "nowhere")):
        load_corpus(name, tmp_path / "nowhere")


def test_broken_files_do_not_end_the_reading(tmp_path, synthetic):
    shutil.copytree(synthetic["cremad"], tmp_path / "cremad")
    audio = tmp_path / "cremad" / "AudioWAV"
    (audio / "1001_DFA_ANG_XX.wav").write_bytes(b"")
    whole = (audio / "1002_IEO_ANG_MD.wav").read_bytes()
    (audio / "1002_IEO_ANG_MD.wav").write_bytes(whole[: len(whole) // 2])
    table = load_corpus("cremad", tmp_path / "cremad")
    assert len(table) == len(load_corpus("cremad", synthetic["cremad"])) - 2
    assert table.attrs["left_out"]["unreadable: empty file"] == ["1001_DFA_ANG_XX"]
    assert table.attrs["left_out"]["unreadable: truncated file"] == ["1002_IEO_ANG_MD"]


def test_corpus_without_a_usable_utterance_is_refused(tmp_path):
    (tmp_path / "1001_DFA_ANG_XX.wav").touch()
    with pytest.raises(ValueError, match="holds no usable utterance \\(unreadable: empty file: 1\\)"):
        load_corpus("cremad", tmp_path)
