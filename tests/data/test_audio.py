"""The preprocessing chain of section III-B, and what it does with files that are not as they should be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore import paths
from sercore.data import audio
from sercore.data.audio import PEAK, SAMPLE_RATE, preprocess, read_audio, suspicious, with_audio

TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)


def written(file: Path, waveform=TONE, rate=SAMPLE_RATE, **options) -> Path:
    soundfile.write(file, waveform, rate, **options)
    return file


def corpus_of(folder: Path, **waveforms) -> pd.DataFrame:
    """A table as `load_corpus` gives it, of files written here."""
    rows = [
        {"utterance": name, "path": str(written(folder / f"{name}.wav", waveform)), "corpus": "made-up", "emotion": "anger"}
        for name, waveform in waveforms.items()
    ]
    return pd.DataFrame(rows)


def test_chain_is_trim_then_pre_emphasis_then_peak():
    """Section III-B, computed here step by step: H(z) = 1 - 0.97 z^-1 starting from rest, then 0.95 of full scale."""
    emphasised = TONE.astype(float).copy()
    emphasised[1:] -= 0.97 * TONE[:-1]
    expected = 0.95 * emphasised / np.abs(emphasised).max()
    np.testing.assert_allclose(preprocess(TONE), expected, atol=1e-6)


def test_edges_20_db_below_the_peak_are_removed():
    quiet = TONE * 10 ** (-26 / 20)  # well under the paper's 20 dB
    trimmed = preprocess(np.concatenate([quiet, TONE, quiet]))
    assert len(TONE) <= len(trimmed) < len(TONE) + 0.2 * SAMPLE_RATE


def test_peak_is_normalised_whatever_the_level():
    for level in (0.01, 1.0):
        assert np.abs(preprocess(level * TONE)).max() == pytest.approx(PEAK)


def test_silence_stays_silent():
    """CREMA-D's 1076_MTI_SAD_XX is all zeros; peak normalisation would be 0/0."""
    assert not preprocess(np.zeros(SAMPLE_RATE, np.float32)).any()
    almost = np.full(SAMPLE_RATE, 2e-34, np.float32)
    assert np.abs(preprocess(almost)).max() < 1e-30


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_any_rate_becomes_16_khz(tmp_path, rate):
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    heard = read_audio(written(tmp_path / "tone.wav", tone, rate))
    assert heard.dtype == np.float32 and abs(len(heard) - SAMPLE_RATE) <= 1
    np.testing.assert_allclose(heard[1000:-1000], TONE[1000 : len(heard) - 1000], atol=2e-3)


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    np.testing.assert_allclose(read_audio(written(tmp_path / "stereo.wav", stereo)), TONE / 2, atol=1e-4)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_formats_of_libsndfile_are_read(tmp_path, suffix):
    assert len(read_audio(written(tmp_path / f"tone.{suffix}"))) >= SAMPLE_RATE


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "bad.wav: cannot be decoded"),
        (b"just text, no audio", "bad.wav: cannot be decoded"),
        (np.zeros(0), "bad.wav: holds no audio"),
        (np.array([0.1, np.nan, 0.2]), "bad.wav: holds values that are not finite"),
    ],
)
def test_unusable_file_gets_one_clear_line(tmp_path, content, line):
    file = tmp_path / "bad.wav"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        written(file, content, subtype="FLOAT")
    with pytest.raises(ValueError, match=line) as error:
        read_audio(file)
    assert "\n" not in str(error.value)


def test_truncated_wav_is_refused(tmp_path):
    """libsndfile reads it without an error."""
    file = tmp_path / "cut.wav"
    soundfile.write(file, np.zeros(1000), SAMPLE_RATE, subtype="PCM_16")
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cut.wav: truncated, 500 of 1000 samples"):
        read_audio(file)


def test_truncated_flac_is_refused(tmp_path):
    """Its header still promises the whole length."""
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * SAMPLE_RATE)
    file = written(tmp_path / "cut.flac", noise)
    file.write_bytes(file.read_bytes()[:60_000])
    with pytest.raises(ValueError, match="cut.flac: (truncated|cannot be decoded)"):
        read_audio(file)


def test_a_broken_file_is_named_counted_and_left_out(tmp_path):
    table = corpus_of(tmp_path, good=TONE, other=TONE / 2, bad=TONE)
    (tmp_path / "bad.wav").write_bytes(b"")
    heard, waveforms = with_audio(table)
    assert heard["utterance"].tolist() == list(waveforms["utterance"]) == ["good", "other"]
    ((reason, names),) = heard.attrs["left_out"].items()
    assert reason.startswith("unreadable: bad.wav: cannot be decoded") and names == ["bad"]


def test_cache_gives_what_preprocess_gives_in_table_order(tmp_path):
    table = corpus_of(tmp_path, b=TONE, a=TONE[:5000], c=TONE[::-1])
    heard, waveforms = with_audio(table)
    for row, path in enumerate(heard["path"]):
        np.testing.assert_array_equal(waveforms[row]["waveform"], preprocess(read_audio(path)))
    np.testing.assert_allclose(heard["seconds"], [1, 5000 / SAMPLE_RATE, 1], atol=0.05)


def test_second_call_decodes_nothing(tmp_path, monkeypatch):
    table = corpus_of(tmp_path, one=TONE)
    with_audio(table)
    monkeypatch.setattr(audio, "_write_cache", None)  # calling it would fail
    with_audio(table)


def test_changed_file_is_decoded_again(tmp_path):
    table = corpus_of(tmp_path, one=TONE)
    before = with_audio(table)[0]["seconds"].item()
    written(tmp_path / "one.wav", TONE[:4000])
    assert with_audio(table)[0]["seconds"].item() < before


def test_full_disk_gives_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audio.datasets.Dataset, "map", full)
    with pytest.raises(OSError, match="cannot write the audio cache .*No space left.*set SERCORE_CACHE"):
        with_audio(corpus_of(tmp_path, one=TONE))
    assert not list(paths.cache_root().iterdir())


def test_silence_and_double_labels_are_reported(tmp_path):
    table = corpus_of(tmp_path, silent=0 * TONE, one=TONE, two=TONE, other=TONE[::-1])
    table["emotion"] = ["anger", "happiness", "neutral", "anger"]
    report = suspicious(with_audio(table)[0])
    assert dict(zip(report["utterance"], report["problem"], strict=True)) == {
        "silent": "silent",
        "one": "identical audio with another label",
        "two": "identical audio with another label",
    }


def test_real_silent_and_doubled_utterances_are_found(real_cremad):
    """Of the corpus itself: 1076_MTI_SAD_XX is silent, 1006_TIE_HAP_XX and 1006_TIE_NEU_XX are one recording."""
    names = ["1001_DFA_ANG_XX", "1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1076_MTI_SAD_XX"]
    table = pd.DataFrame({"utterance": names, "corpus": "cremad", "emotion": ["anger", "happiness", "neutral", "sadness"]})
    table["path"] = [str(real_cremad / f"{name}.opus") for name in names]
    assert sorted(suspicious(with_audio(table)[0])["utterance"]) == names[1:]
