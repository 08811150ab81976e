"""The cache of preprocessed audio: what `preprocess` gives, once, and again when a file or the code has changed."""

from concurrent.futures import ProcessPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore import paths
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import audio_cache, cache_audio, find_suspicious, preprocess, preprocessing

TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def corpus_of(folder: Path, **waveforms) -> pd.DataFrame:
    """A table as `load_corpus` gives it, of files written here."""
    for name, waveform in waveforms.items():
        soundfile.write(folder / f"{name}.wav", waveform, SAMPLE_RATE)
    files = [str(folder / f"{name}.wav") for name in waveforms]
    return pd.DataFrame({"utterance": list(waveforms), "path": files, "corpus": "made-up", "emotion": "anger"})


def cache_seconds(table: pd.DataFrame) -> list[float]:
    return cache_audio(table)[0]["seconds"].tolist()


def test_it_gives_what_preprocess_gives_in_table_order(tmp_path):
    table, audio = cache_audio(corpus_of(tmp_path, b=TONE, a=TONE[:5000], c=TONE[::-1]))
    for row, path in enumerate(table["path"]):
        np.testing.assert_array_equal(audio[row]["waveform"], preprocess(read_audio(path)))
    np.testing.assert_allclose(table["seconds"], [1, 5000 / SAMPLE_RATE, 1], atol=0.05)


def test_second_call_decodes_nothing(tmp_path, monkeypatch):
    table = corpus_of(tmp_path, one=TONE)
    cache_audio(table)
    monkeypatch.setattr(audio_cache, "_write_cache", None)  # calling it would fail
    cache_audio(table)


def test_changed_file_is_decoded_again(tmp_path):
    before = cache_seconds(corpus_of(tmp_path, one=TONE))
    assert cache_seconds(corpus_of(tmp_path, one=TONE[:4000])) < before


def test_edited_preprocess_never_gives_old_audio(tmp_path, monkeypatch):
    """The edit is in a line of code, not in a constant: the sign of every sample."""
    table = corpus_of(tmp_path, one=TONE)
    before = cache_audio(table)[1][0]["waveform"]
    source = Path(preprocessing.__file__).read_text()
    edited = tmp_path / "preprocessing.py"
    edited.write_text(source.replace("return (gain * emphasised)", "return (-gain * emphasised)"))
    spec = spec_from_file_location("edited_preprocessing", edited)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(audio_cache, "preprocessing", module)
    np.testing.assert_array_equal(cache_audio(table)[1][0]["waveform"], -before)


@pytest.mark.fault("processes that write one cache at once")
def test_several_processes_may_fill_it_at_once(tmp_path):
    table = corpus_of(tmp_path, **{f"u{number}": TONE for number in range(6)})
    with ProcessPoolExecutor(3) as pool:
        results = list(pool.map(cache_seconds, [table] * 3))
    assert results[0] == results[1] == results[2] and len(results[0]) == 6
    assert len(list(paths.cache_root().iterdir())) == 1


@pytest.mark.fault("full disk")
def test_full_disk_gives_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audio_cache.datasets.Dataset, "map", full)
    with pytest.raises(OSError, match=r"cannot write the audio cache .*No space left.*set SERCORE_CACHE"):
        cache_audio(corpus_of(tmp_path, one=TONE))
    assert not list(paths.cache_root().iterdir())


@pytest.mark.fault("broken file in a corpus")
def test_broken_files_are_named_counted_and_left_out(tmp_path):
    table = corpus_of(tmp_path, good=TONE, bad=TONE, other=TONE / 2, worse=TONE, nan=TONE)
    table.attrs["left_out"] = {"unreadable: empty file": ["earlier"]}
    for name in ("bad", "worse"):
        (tmp_path / f"{name}.wav").write_bytes(b"")
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), SAMPLE_RATE, subtype="FLOAT")
    found, audio = cache_audio(table)
    assert found["utterance"].tolist() == list(audio["utterance"]) == ["good", "other"]
    assert found.attrs["left_out"] == {
        "unreadable: empty file": ["earlier", "bad", "worse"],
        "unreadable: holds values that are not finite, or too large": ["nan"],
    }


@pytest.mark.fault("poisoned file in a corpus")
def test_poisoned_files_are_left_out_and_the_corpus_goes_on(tmp_path, count_faults):
    """What decoded to gigabytes, or raised within `preprocess`, before `RATES`, `LOUDEST` and `LONGEST_WHOLE`."""
    names = ["slow", "fast", "loud", "infinite", "long", "short", "cut", "weeks"]
    table = corpus_of(tmp_path, good=TONE, **dict.fromkeys(names, TONE), other=TONE / 2)
    file = {name: tmp_path / f"{name}.wav" for name in names}
    soundfile.write(file["slow"], TONE, 1)
    soundfile.write(file["fast"], TONE, 2**31 - 1)
    soundfile.write(file["loud"], np.append(TONE, 1e20), SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(file["infinite"], np.append(TONE, np.inf), SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(file["long"], np.zeros(601_000), 1_000, subtype="PCM_U8")
    soundfile.write(file["short"], TONE[:1], 48_000)  # less than one sample at 16 kHz
    file["cut"].write_bytes(file["cut"].read_bytes()[:-2])
    soundfile.write(file["weeks"], TONE, SAMPLE_RATE, format="FLAC")
    content = file["weeks"].read_bytes()  # the number of samples is the 36 bits before byte 26
    file["weeks"].write_bytes(content[:21] + bytes([content[21] | 0x0F]) + b"\xff" * 4 + content[26:])
    found, _ = cache_audio(table)
    left_out = found.attrs["left_out"]
    assert found["utterance"].tolist() == ["good", "other"]
    assert left_out == {
        "unreadable: holds no audio": ["short"],
        "unreadable: holds values that are not finite, or too large": ["loud", "infinite"],
        "unreadable: impossible sample rate": ["slow", "fast"],
        "unreadable: too long": ["long", "weeks"],
        "unreadable: truncated": ["cut"],
    }
    count_faults([name not in sum(left_out.values(), []) for name in names])


def test_silence_and_double_labels_are_suspicious(tmp_path):
    table = corpus_of(tmp_path, silent=0 * TONE, one=TONE, two=TONE, other=TONE[::-1])
    table["emotion"] = ["anger", "happiness", "neutral", "anger"]
    report = find_suspicious(cache_audio(table)[0])
    assert dict(zip(report["utterance"], report["problem"], strict=True)) == {
        "silent": "silent",
        "one": "identical audio with another label",
        "two": "identical audio with another label",
    }


def test_real_silent_and_doubled_utterances_are_found(real_cremad):
    """Of the corpus itself: 1076_MTI_SAD_XX is silent, 1006_TIE_HAP_XX and 1006_TIE_NEU_XX are one recording."""
    emotions = {"1001_DFA_ANG_XX": "anger", "1006_TIE_HAP_XX": "happiness"}
    emotions |= {"1006_TIE_NEU_XX": "neutral", "1076_MTI_SAD_XX": "sadness"}
    table = pd.DataFrame({"utterance": emotions.keys(), "corpus": "cremad", "emotion": emotions.values()})
    table["path"] = [str(next(real_cremad.rglob(f"{name}.*"))) for name in emotions]
    assert sorted(find_suspicious(cache_audio(table)[0])["utterance"]) == list(emotions)[1:]
