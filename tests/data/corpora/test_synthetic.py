import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import welch
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sercore.data.corpora import CORPORA, load_corpus, write_synthetic

MEGABYTE = 1e6


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", CORPORA)
def test_corpus_is_small(synthetic, name):
    size = sum(path.stat().st_size for path in synthetic[name].rglob("*") if path.is_file())
    assert size <= 8 * MEGABYTE


@pytest.mark.parametrize("name", CORPORA)
def test_every_session_holds_every_emotion_and_both_sexes(synthetic, name):
    table = load_corpus(name, synthetic[name])
    assert (table.groupby("session")["emotion"].nunique() == 4).all()
    assert (table.groupby("session")["sex"].nunique() == 2).all()


def test_counts_by_emotion(synthetic):
    # What the module's constants lay down: IEMOCAP 5 sessions x (6, 10, 10, 6); CREMA-D 6, 7 and 7 actors with three
    # lists of sentences; RAVDESS 12 actors x (1, 1, 2, 1), calm among neutral.
    counts = {name: load_corpus(name, synthetic[name])["emotion"].value_counts().to_dict() for name in CORPORA}
    assert counts == {
        "iemocap": {"anger": 30, "happiness": 50, "neutral": 50, "sadness": 30},
        "cremad": {"anger": 34, "happiness": 32, "neutral": 26, "sadness": 28},
        "ravdess": {"anger": 12, "happiness": 12, "neutral": 24, "sadness": 12},
    }


def test_same_seed_gives_the_same_bytes(tmp_path, synthetic):
    assert contents(write_synthetic("iemocap", tmp_path / "iemocap")) == contents(synthetic["iemocap"])


def test_another_seed_gives_other_voices_under_the_same_names(tmp_path, synthetic):
    other = contents(write_synthetic("cremad", tmp_path / "cremad", seed=1))
    first = contents(synthetic["cremad"])
    assert other.keys() == first.keys()
    assert other["AudioWAV/1001_DFA_ANG_XX.wav"] != first["AudioWAV/1001_DFA_ANG_XX.wav"]


def test_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    write_synthetic("cremad", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_half_written_stays_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_synthetic("cremad", tmp_path / "cremad")
    assert list(tmp_path.iterdir()) == []


def test_slower_of_two_writers_keeps_the_first_copy(tmp_path, monkeypatch):
    folder = tmp_path / "cremad"
    rename = Path.rename

    def rename_too_late(self, target):
        target.mkdir()
        (target / "first").touch()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_too_late)
    assert write_synthetic("cremad", folder) == folder
    assert [path.name for path in folder.iterdir()] == ["first"]
    assert list(tmp_path.iterdir()) == [folder]


def test_unknown_corpus_names_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="^unknown corpus 'emodb'; choose one of iemocap, cremad, ravdess$"):
        write_synthetic("emodb", tmp_path / "emodb")


def test_iemocap_has_one_utterance_beyond_8_seconds(synthetic):
    table = load_corpus("iemocap", synthetic["iemocap"])
    assert (table["duration"] > 8).sum() == 1


def test_iemocap_has_codes_outside_the_four(synthetic):
    left_out = load_corpus("iemocap", synthetic["iemocap"]).attrs["left_out"]
    assert set(left_out) == {"label dis", "label fea", "label fru", "label oth", "label sur", "label xxx"}


def test_iemocap_markers_disagree_with_the_speaker(synthetic):
    table = load_corpus("iemocap", synthetic["iemocap"])
    markers = table["utterance"].str.split("_").str[0]
    assert 0 < (markers != table["speaker"]).mean() < 1


def test_iemocap_dimensions_agree_with_the_emotion(synthetic):
    means = load_corpus("iemocap", synthetic["iemocap"]).groupby("emotion")[["valence", "activation"]].mean()
    # As in the circumplex of affect: happiness is the most pleasant, anger is active, sadness is passive.
    assert means["valence"].idxmax() == "happiness"
    assert means["activation"].idxmax() == "anger"
    assert means["activation"].idxmin() == "sadness"


def test_cremad_has_one_silent_utterance(synthetic):
    paths = load_corpus("cremad", synthetic["cremad"]).set_index("utterance")["path"]
    silent = [utterance for utterance, path in paths.items() if not np.any(soundfile.read(path)[0])]
    assert silent == ["1076_MTI_SAD_XX"]


def test_cremad_has_identical_audio_with_two_labels(synthetic):
    audio = synthetic["cremad"] / "AudioWAV"
    assert (audio / "1006_TIE_HAP_XX.wav").read_bytes() == (audio / "1006_TIE_NEU_XX.wav").read_bytes()


def test_cremad_has_the_old_stem(synthetic):
    assert "1040_ITH_SAD_X" in set(load_corpus("cremad", synthetic["cremad"])["utterance"])


def test_ravdess_is_48_khz_and_partly_stereo(synthetic):
    headers = [soundfile.info(path) for path in load_corpus("ravdess", synthetic["ravdess"])["path"]]
    assert {header.samplerate for header in headers} == {48_000}
    assert sorted(header.channels for header in headers)[-3:] == [1, 2, 2]


def test_emotion_of_unheard_speakers_can_be_learnt(synthetic):
    table = load_corpus("iemocap", synthetic["iemocap"])
    # Shape of the long-term spectrum alone, its level removed as peak normalisation does.
    spectra = np.log([welch(soundfile.read(path)[0], nperseg=128)[1] for path in table["path"]])
    spectra -= spectra.mean(axis=1, keepdims=True)
    train, test = (table["session"] != 1).to_numpy(), (table["session"] == 1).to_numpy()
    classifier = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    predicted = classifier.fit(spectra[train], table["emotion"][train]).predict(spectra[test])
    assert balanced_accuracy_score(table["emotion"][test], predicted) > 0.5  # chance is 0.25
