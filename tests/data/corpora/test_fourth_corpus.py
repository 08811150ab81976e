"""One file with one SPEC in the folder of the corpora is all that a new corpus takes."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sercore.data import CORPORA, corpora, load_corpus, load_split, register_corpus
from sercore.data.corpora.registry import discover_corpora
from sercore.experiment import Experiment


@pytest.fixture
def emodb(monkeypatch, tmp_path, write_audio) -> Path:
    """Puts the module beside the others, and gives a folder with five speakers who say five emotions once each."""
    monkeypatch.setattr(corpora, "__path__", [*corpora.__path__, str(Path(__file__).parent / "fourth")])
    for speaker in ("03", "08", "09", "10", "11"):
        for number, emotion in enumerate("WFNTL"):
            write_audio(tmp_path / "emodb/wav" / f"{speaker}a{number:02d}{emotion}a.wav", 0.2 + int(speaker) / 100)
    discover_corpora()
    yield tmp_path / "emodb"
    del CORPORA["emodb"], sys.modules[f"{corpora.__name__}.emodb"]


def test_it_is_loaded_like_the_others(emodb):
    table = load_corpus("emodb", emodb)
    assert table["emotion"].value_counts().to_dict() == dict.fromkeys(("anger", "happiness", "neutral", "sadness"), 5)
    assert set(table["session"]) == {1, 2, 3, 4, 5}
    assert list(table.attrs["left_out"]) == ["another emotion: boredom"]


def test_it_is_found_by_its_own_variable(emodb, monkeypatch):
    monkeypatch.setenv("SERCORE_EMODB", str(emodb))
    assert len(load_corpus("emodb")) == 20


def test_it_is_trained_on_like_the_others(emodb):
    experiment = Experiment(primary="emodb", permanent="", roots={"emodb": str(emodb)})
    split, audio = load_split(experiment)
    assert (experiment.arm, len(split.train), len(split.test), len(audio)) == ("emodb", 12, 4, 20)


def test_an_empty_folder_names_its_layout_and_variable(emodb, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"^emodb: .* is empty; expected wav/ with .*; set SERCORE_EMODB"):
        load_corpus("emodb", tmp_path / "empty")


def test_a_name_that_is_taken_or_no_variable_is_refused():
    with pytest.raises(ValueError, match="corpus 'cremad' is there already"):
        register_corpus(replace(CORPORA["ravdess"], name="cremad"))
    with pytest.raises(ValueError, match="corpus name 'EMO-DB': take small letters"):
        register_corpus(replace(CORPORA["ravdess"], name="EMO-DB"))
    assert "EMO-DB" not in CORPORA and CORPORA["cremad"].title == "CREMA-D"
