"""Corpora are found where users have them; a missing one gets one line that says what to do."""

from pathlib import Path

import pytest

from sercore import paths
from sercore.data import CORPORA

MARKERS = {name: spec.markers for name, spec in CORPORA.items()}


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without any corpus."""
    for name in MARKERS:
        monkeypatch.delenv(f"SERCORE_{name.upper()}", raising=False)
    monkeypatch.setattr(paths, "PROJECT", tmp_path / "project")
    monkeypatch.setattr(paths, "MOUNTS", {tmp_path / "kaggle/input": 6, tmp_path / "content/drive/MyDrive": 3})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find(name: str, given: str = "") -> Path:
    return paths.corpus_root(name, MARKERS[name], given)


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_given_folder_wins_over_the_variable(nowhere, monkeypatch):
    given, variable = made(nowhere / "given"), made(nowhere / "variable")
    monkeypatch.setenv("SERCORE_CREMAD", str(variable))
    assert find("cremad", str(given)) == given
    assert find("cremad") == variable


def test_data_folder_of_the_project_is_found(nowhere):
    folder = made(nowhere / "project/data/ravdess")
    assert find("ravdess") == folder


@pytest.mark.parametrize("mounted", ["kaggle/input/cremad", "kaggle/input/datasets/someone/cremad"])
def test_both_kaggle_mount_layouts_are_searched(nowhere, mounted):
    made(nowhere / mounted / "AudioWAV")
    assert find("cremad") == nowhere / mounted


def test_corpus_nested_in_a_kaggle_dataset_is_found(nowhere):
    made(nowhere / "kaggle/input/datasets/someone/full-release/IEMOCAP_full_release/Session1")
    assert find("iemocap").name == "IEMOCAP_full_release"


def test_runs_and_caches_go_to_drive_where_it_is_mounted(nowhere, monkeypatch):
    """A machine of Colab is lost with its disk."""
    monkeypatch.delenv("SERCORE_RUNS", raising=False)
    monkeypatch.delenv("SERCORE_CACHE", raising=False)
    monkeypatch.setattr(paths, "DRIVE", nowhere / "content/drive/MyDrive")
    assert paths.runs_root() == nowhere / "runs"
    made(nowhere / "content/drive/MyDrive")
    assert paths.runs_root() == nowhere / "content/drive/MyDrive/sercore/runs"
    assert paths.cache_root() == paths.runs_root() / "cache"


def test_drive_is_searched_under_colab(nowhere):
    made(nowhere / "content/drive/MyDrive/corpora/ravdess/Actor_01")
    assert find("ravdess").name == "ravdess"


def test_missing_corpus_says_where_it_looked_and_what_to_set(nowhere):
    with pytest.raises(
        FileNotFoundError, match=r"iemocap: .*data/iemocap.*set SERCORE_IEMOCAP.*Obtaining the corpora"
    ) as error:
        find("iemocap")
    assert "\n" not in str(error.value)


def test_wrong_variable_is_named(nowhere, monkeypatch):
    monkeypatch.setenv("SERCORE_RAVDESS", str(nowhere / "gone"))
    with pytest.raises(FileNotFoundError, match=r"SERCORE_RAVDESS names .*gone, which is not a folder"):
        find("ravdess")


def test_a_wrong_setting_is_named(nowhere):
    with pytest.raises(FileNotFoundError, match=r"the setting roots\['ravdess'\] names .*gone"):
        find("ravdess", str(nowhere / "gone"))


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    file = tmp_path / "new" / "table.csv"
    with pytest.raises(RuntimeError), paths.whole_file(file) as part:
        part.write_text("half")
        raise RuntimeError
    assert list(file.parent.iterdir()) == []
    with paths.whole_file(file) as part:
        part.write_text("whole")
    assert [path.name for path in file.parent.iterdir()] == ["table.csv"] and file.read_text() == "whole"


def test_what_cannot_be_written_is_one_line_that_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    line = r"cannot write .*file/table.csv: .*; free space or name another place"
    with pytest.raises(OSError, match=line) as error, paths.whole_file(tmp_path / "file" / "table.csv"):
        pass
    assert "\n" not in str(error.value)
