"""Synthetic corpora: small, the same every time, with the layout and the quirks of the real ones."""

import ast
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

from sercore import demo
from sercore.data import CORPORA, load_corpus
from sercore.data.corpora.cremad import EMOTIONS, FEMALE_ACTORS
from sercore.data.corpora.ravdess import EMOTIONS as RAVDESS_EMOTIONS
from sercore.demo import write_corpus
from sercore.demo.synthetic_corpora import CREMAD_ACTORS, CREMAD_MANNERS, CREMAD_WOMEN, IEMOCAP_LABELS, RAVDESS_MANNERS

MEGABYTE = 1e6


@pytest.fixture(scope="module")
def tables(synthetic) -> dict:
    return {name: load_corpus(name, folder) for name, folder in synthetic.items()}


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_they_know_nothing_of_the_readers_but_agree_with_them():
    for file in Path(demo.__file__).parent.glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        assert not any(node.module.startswith("sercore.data") for node in imports)
    assert FEMALE_ACTORS & set(CREMAD_ACTORS) == CREMAD_WOMEN
    assert CREMAD_MANNERS == EMOTIONS
    assert RAVDESS_MANNERS == RAVDESS_EMOTIONS
    assert IEMOCAP_LABELS.keys() == CORPORA["iemocap"].emotions.keys()


@pytest.mark.parametrize("name", ["iemocap", "cremad", "ravdess"])
def test_every_session_holds_every_emotion_and_both_sexes(synthetic, tables, name):
    sessions = tables[name].groupby("session")
    assert (sessions["emotion"].nunique() == 4).all() and (sessions["sex"].nunique() == 2).all()
    assert sum(path.stat().st_size for path in synthetic[name].rglob("*") if path.is_file()) <= 8 * MEGABYTE


def test_counts_by_emotion(tables):
    """What the module's constants lay down.

    IEMOCAP 5 sessions x (6, 10, 10, 6); CREMA-D 6, 7 and 7 actors with three lists of sentences; RAVDESS 12 actors x
    (1, 1, 2, 1), calm among neutral.
    """
    assert {name: table["emotion"].value_counts().to_dict() for name, table in tables.items()} == {
        "iemocap": {"anger": 30, "happiness": 50, "neutral": 50, "sadness": 30},
        "cremad": {"anger": 34, "happiness": 32, "neutral": 26, "sadness": 28},
        "ravdess": {"anger": 12, "happiness": 12, "neutral": 24, "sadness": 12},
    }


def test_same_seed_gives_the_same_bytes_and_another_one_other_voices(tmp_path, synthetic):
    first = contents(synthetic["cremad"])
    assert contents(write_corpus("cremad", tmp_path / "again")) == first
    other = contents(write_corpus("cremad", tmp_path / "other", seed=1))
    assert other.keys() == first.keys()
    assert other["AudioWAV/1001_DFA_ANG_XX.wav"] != first["AudioWAV/1001_DFA_ANG_XX.wav"]


def test_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    write_corpus("cremad", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_half_written_stays_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_corpus("cremad", tmp_path / "cremad")
    assert list(tmp_path.iterdir()) == []


def test_slower_of_two_writers_keeps_the_first_copy(tmp_path, monkeypatch):
    folder = tmp_path / "ravdess"
    rename = Path.rename

    def rename_too_late(self, target):
        target.mkdir()
        (target / "first").touch()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_too_late)
    assert write_corpus("ravdess", folder) == folder
    assert [path.name for path in folder.iterdir()] == ["first"]
    assert list(tmp_path.iterdir()) == [folder]


def test_corpus_without_a_synthetic_one_names_those_that_are(tmp_path):
    with pytest.raises(ValueError, match="no synthetic 'emodb', only iemocap, cremad, ravdess; name its real folder"):
        write_corpus("emodb", tmp_path / "emodb")


def test_iemocap_has_its_quirks(tables):
    table = tables["iemocap"]
    assert (table["duration"] > 8).sum() == 1
    markers = table["utterance"].str.split("_").str[0]  # the letter says who wears them, not who speaks
    assert 0 < (markers != table["speaker"]).mean() < 1
    others = {"disgust", "fear", "frustration", "other", "surprise", "no agreement"}
    assert set(table.attrs["left_out"]) == {f"another emotion: {emotion}" for emotion in others}


def test_iemocap_dimensions_agree_with_the_emotion(tables):
    """As in the circumplex of affect: happiness is the most pleasant, anger is active, sadness is passive."""
    means = tables["iemocap"].groupby("emotion")[["valence", "activation"]].mean()
    assert means["valence"].idxmax() == "happiness"
    assert (means["activation"].idxmax(), means["activation"].idxmin()) == ("anger", "sadness")


def test_iemocap_ratings_follow_the_strength_within_an_emotion(tables):
    """Anger that is played more strongly is louder, and rated more active.

    Strength deviates by 0.2, activation by 0.2 x (3.9 - 2.5) = 0.28 with it, and by 0.35 by chance: of two raters, with
    a variance of 0.16, and of 1/12 for rounding, each. That is a correlation of 0.28 / 0.45 = 0.6.
    """
    anger = tables["iemocap"].query("emotion == 'anger'")
    peaks = [np.log(np.abs(soundfile.read(path)[0]).max()) for path in anger["path"]]
    assert np.corrcoef(peaks, anger["activation"])[0, 1] > 0.4


def test_cremad_has_its_quirks(synthetic, tables):
    """One silent utterance, identical audio with two labels, the stem of older copies."""
    paths = tables["cremad"].set_index("utterance")["path"]
    silent = [utterance for utterance, path in paths.items() if not np.any(soundfile.read(path)[0])]
    assert silent == ["1076_MTI_SAD_XX"]
    audio = synthetic["cremad"] / "AudioWAV"
    assert (audio / "1006_TIE_HAP_XX.wav").read_bytes() == (audio / "1006_TIE_NEU_XX.wav").read_bytes()
    assert "1040_ITH_SAD_X" in paths


def test_ravdess_is_48_khz_and_partly_stereo(tables):
    headers = [soundfile.info(path) for path in tables["ravdess"]["path"]]
    assert {header.samplerate for header in headers} == {48_000}
    assert sorted(header.channels for header in headers)[-3:] == [1, 2, 2]


def test_emotion_of_other_speakers_can_be_learnt(tables):
    table = tables["iemocap"]
    # Shape of the long-term spectrum alone, its level removed as peak normalisation does.
    spectra = np.log([welch(soundfile.read(path)[0], nperseg=128)[1] for path in table["path"]])
    spectra -= spectra.mean(axis=1, keepdims=True)
    train, test = (table["session"] != 1).to_numpy(), (table["session"] == 1).to_numpy()
    classifier = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    y_pred = classifier.fit(spectra[train], table["emotion"][train]).predict(spectra[test])
    assert balanced_accuracy_score(table["emotion"][test], y_pred) > 0.5  # chance is 0.25
