"""Which audio files a corpus folder holds, and the kinds of trouble they are in."""

import pytest

from sercore.data.corpora.audio_index import find_audio, measure_audio


@pytest.mark.parametrize("extension", [".wav", ".WAV", ".flac", ".mp3", ".opus", ".ogg"])
def test_any_extension_is_found_and_measured(tmp_path, write_audio, extension):
    write_audio(tmp_path / f"a{extension}")
    assert measure_audio(find_audio(tmp_path, ())["a"]) == pytest.approx(0.1, abs=1e-4)  # the fixture writes 0.1 s


def test_dot_files_and_other_files_are_skipped_and_names_come_sorted(tmp_path, write_audio):
    for name in "cab":
        write_audio(tmp_path / name / f"{name}.wav")
    for name in ("._b.wav", ".DS_Store", "notes.txt"):
        (tmp_path / name).touch()
    assert list(find_audio(tmp_path, ("*",))) == ["a", "b", "c"]


def test_lossless_is_preferred_wherever_it_lies(tmp_path, write_audio):
    write_audio(tmp_path / "first" / "a.mp3")
    lossless = write_audio(tmp_path / "second" / "a.flac")
    assert find_audio(tmp_path, ("first", "second")) == {"a": lossless}


def test_of_two_copies_that_of_the_preferred_folder_is_taken(tmp_path, write_audio):
    first = write_audio(tmp_path / "first" / "a.wav")
    write_audio(tmp_path / "second" / "a.wav")
    write_audio(tmp_path / "a.wav")
    assert find_audio(tmp_path, ("first", "second")) == {"a": first}


@pytest.mark.fault("broken file in a corpus")
def test_trouble_is_named_by_its_kind_so_that_files_group(tmp_path, write_audio):
    cut = write_audio(tmp_path / "cut.wav", seconds=5)
    cut.write_bytes(cut.read_bytes()[:80_000])
    write_audio(tmp_path / "silent.wav", seconds=0)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio at all " * 100)
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    kinds = {
        "cut": "unreadable: truncated",
        "silent": "unreadable: holds no audio",
        "empty": "unreadable: empty file",
        "text": "unreadable: cannot be decoded",
        "link": "unreadable: no such file",
    }
    for name, path in find_audio(tmp_path, ()).items():
        with pytest.raises(ValueError, match=f"^{kinds[name]}$"):
            measure_audio(path)
    with pytest.raises(ValueError, match=r"^no audio file$"):
        measure_audio(None)
