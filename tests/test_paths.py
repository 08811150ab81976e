"""Corpora are found where users have them; a missing one gets one line that says what to do."""

from pathlib import Path

import pytest

from sercore import paths


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without any corpus."""
    for name in paths.MARKERS:
        monkeypatch.delenv(f"SERCORE_{name.upper()}", raising=False)
    monkeypatch.setattr(paths, "PROJECT", tmp_path / "project")
    monkeypatch.setattr(paths, "MOUNTS", {tmp_path / "kaggle/input": 6, tmp_path / "content/drive/MyDrive": 3})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_given_folder_wins_over_the_variable(nowhere, monkeypatch):
    given, variable = made(nowhere / "given"), made(nowhere / "variable")
    monkeypatch.setenv("SERCORE_CREMAD", str(variable))
    assert paths.corpus_root("cremad", str(given)) == given
    assert paths.corpus_root("cremad") == variable


def test_data_folder_of_the_project_is_found(nowhere):
    folder = made(nowhere / "project/data/ravdess")
    assert paths.corpus_root("ravdess") == folder


@pytest.mark.parametrize("mounted", ["kaggle/input/cremad", "kaggle/input/datasets/someone/cremad"])
def test_both_kaggle_mount_layouts_are_searched(nowhere, mounted):
    made(nowhere / mounted / "AudioWAV")
    assert paths.corpus_root("cremad") == nowhere / mounted


def test_corpus_nested_in_a_kaggle_dataset_is_found(nowhere):
    made(nowhere / "kaggle/input/datasets/someone/full-release/IEMOCAP_full_release/Session1")
    assert paths.corpus_root("iemocap").name == "IEMOCAP_full_release"


def test_drive_is_searched_under_colab(nowhere):
    made(nowhere / "content/drive/MyDrive/corpora/ravdess/Actor_01")
    assert paths.corpus_root("ravdess").name == "ravdess"


def test_missing_corpus_says_where_it_looked_and_what_to_set(nowhere):
    with pytest.raises(FileNotFoundError, match=r"iemocap: .*data/iemocap.*set SERCORE_IEMOCAP.*Obtaining the corpora") as error:
        paths.corpus_root("iemocap")
    assert "\n" not in str(error.value)


def test_wrong_variable_is_named(nowhere, monkeypatch):
    monkeypatch.setenv("SERCORE_RAVDESS", str(nowhere / "gone"))
    with pytest.raises(FileNotFoundError, match="SERCORE_RAVDESS names .*gone, which is not a folder"):
        paths.corpus_root("ravdess")
