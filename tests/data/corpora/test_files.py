import re
import shutil

import pytest

from sercore.data.corpora.files import describe_all, find_audio, read_duration, wrong_folder


@pytest.mark.parametrize("extension", [".wav", ".WAV", ".flac", ".mp3", ".opus", ".ogg"])
def test_any_extension_is_found_and_read(tmp_path, write_audio, extension):
    write_audio(tmp_path / f"a{extension}")
    path = find_audio(tmp_path, ())["a"]
    assert read_duration(path) == pytest.approx(0.1, abs=1e-4)  # the fixture writes 0.1 s


def test_dot_files_and_other_files_are_skipped(tmp_path, write_audio):
    write_audio(tmp_path / "b.wav")
    for name in ("._b.wav", ".DS_Store", "notes.txt"):
        (tmp_path / name).touch()
    assert list(find_audio(tmp_path, ())) == ["b"]


def test_lossless_is_preferred_wherever_it_lies(tmp_path, write_audio):
    write_audio(tmp_path / "first" / "a.mp3")
    lossless = write_audio(tmp_path / "second" / "a.flac")
    assert find_audio(tmp_path, ("first", "second")) == {"a": lossless}


def test_of_two_copies_the_preferred_folder_s_is_taken(tmp_path, write_audio):
    first = write_audio(tmp_path / "first" / "a.wav")
    write_audio(tmp_path / "second" / "a.wav")
    write_audio(tmp_path / "a.wav")
    assert find_audio(tmp_path, ("first", "second")) == {"a": first}


def test_names_come_sorted(tmp_path, write_audio):
    for name in "cab":
        write_audio(tmp_path / name / f"{name}.wav")
    assert list(find_audio(tmp_path, ("*",))) == ["a", "b", "c"]


def test_empty_file_is_named_as_such(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match="^unreadable: empty file$"):
        read_duration(tmp_path / "a.wav")


def test_header_without_audio_is_unreadable(tmp_path, write_audio):
    with pytest.raises(ValueError, match="^unreadable: no audio after the header$"):
        read_duration(write_audio(tmp_path / "a.wav", seconds=0))


def test_corrupt_file_is_unreadable(tmp_path):
    (tmp_path / "a.wav").write_text("no audio at all " * 100)
    with pytest.raises(ValueError, match="^unreadable: "):
        read_duration(tmp_path / "a.wav")


def test_broken_link_is_unreadable(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(ValueError, match="^unreadable: "):
        read_duration(tmp_path / "a.wav")


@pytest.mark.parametrize("extension", [".wav", ".opus", ".ogg"])
def test_truncated_file_is_unreadable(tmp_path, write_audio, extension):
    path = write_audio(tmp_path / f"a{extension}", seconds=5)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="^unreadable: truncated file$"):
        read_duration(path)


def test_wav_written_to_a_pipe_is_complete(tmp_path, write_audio):
    path = write_audio(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # what encoders write that cannot seek back
    path.write_bytes(content)
    assert read_duration(path) == pytest.approx(0.1)


def test_one_unreadable_among_many_is_named_and_counted(tmp_path, write_audio):
    good = [write_audio(tmp_path / f"{number}.wav") for number in range(20)]
    shutil.copy(good[0], tmp_path / "broken.wav")
    (tmp_path / "broken.wav").write_bytes(b"")
    audio = find_audio(tmp_path, ())
    rows, left_out = describe_all(audio, audio, lambda utterance: {})
    assert len(rows) == 20
    assert left_out == {"unreadable: empty file": ["broken"]}


def test_utterance_without_audio_is_left_out():
    assert describe_all(["a"], {}, lambda utterance: {}) == ([], {"no audio file": ["a"]})


def test_error_names_folder_content_and_variable(tmp_path):
    expected = f"cremad: {tmp_path} is empty; expected AudioWAV/; set SERCORE_CREMAD to the corpus folder"
    assert re.fullmatch(re.escape(expected), str(wrong_folder("cremad", tmp_path, "AudioWAV/")))
