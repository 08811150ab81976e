"""What the page finds in a recording is what Python finds."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from sercore import MODELS
from sercore.audio_files import read_audio
from sercore.data import load_corpus, production_split
from sercore.export import quantize
from sercore.runtime import EmotionClassifier, SpeakerClassifier, VoiceNoteSettings, analyze_voice_note

RATE = 16_000  # Hz
ENOUGH = 4  # windows, before the page offers to adjust to a voice
EACH = 10  # utterances of an emotion
CLOSE = 1e-5  # of probabilities of a float file, and seconds; both runtimes add up in another order
# Activations in 8 bits jump: in Python alone, audio a millionth louder moves some probabilities by 4e-3.
EIGHT_BITS = 3e-2  # measured: 0.0195 at most for base
TOLERANCE = 1e-3  # of probabilities where one side converts, decodes or computes in another way


def assert_same(found: dict, note, tolerance: float):
    expected = note.as_dict()
    assert set(found) == set(expected)
    assert found["label"] == expected["label"] and len(expected["windows"]) > 0
    for name in ("seconds", "speech_seconds", "probabilities", "certainty", "agreement"):
        assert found[name] == pytest.approx(expected[name], abs=tolerance), name
    for table in ("segments", "windows"):
        assert len(found[table]) == len(expected[table])
        for one, other in zip(found[table], expected[table], strict=True):
            assert one == pytest.approx(other, abs=tolerance)


def test_an_utterance(visit, analyze, short, classifier):
    assert_same(analyze(visit(), short), analyze_voice_note(short, classifier), CLOSE)


def test_a_long_note(visit, analyze, long, classifier):
    """Several passages, of which some take several windows, the last of them reaching back."""
    note = analyze_voice_note(long, classifier)
    windows = pd.DataFrame(note.windows)
    length = windows["end"] - windows["start"]
    assert len(note.segments) >= 3
    assert (length == 8).sum() >= 2
    assert (windows["weight"] < windows["speech"] * length - 0.1).any(), "one reaches back"
    assert np.ptp(windows[list(classifier.labels)].to_numpy(), axis=0).max() > 100 * CLOSE
    assert_same(analyze(visit(), long), note, CLOSE)


@pytest.mark.parametrize(
    "values",
    [
        {"window": 2.0, "overlap": 0.5, "aggregate": "mean"},
        {"window": 1.0, "aggregate": "median"},
        {"vad": False},
        {"max_pause": 0.0},
    ],
    ids=str,
)
def test_other_settings(values, visit, analyze, long, classifier, change_settings):
    settings = VoiceNoteSettings(**values)
    page = visit(script=change_settings(voice_note=vars(settings)))
    assert_same(analyze(page, long), analyze_voice_note(long, classifier, settings=settings), CLOSE)


def test_known_speaker(visit, analyze, long, classifier, change_settings):
    """Adjusted as it came, shown once the page offers it, after a second note; then forgotten, and met again."""
    speakers = {"mean": [0.3, 0.5, -0.9, 0.1], "calm": [-2.0, -1.0, 3.0, 0.0]}
    described = EmotionClassifier.__new__(EmotionClassifier)
    vars(described).update(vars(classifier) | {"metadata": classifier.metadata | {"speakers": speakers}})
    speaker, plain = SpeakerClassifier(described), analyze_voice_note(long, classifier)
    first, second = analyze_voice_note(long, speaker), analyze_voice_note(long, speaker)
    assert abs(second.probabilities["anger"] - first.probabilities["anger"]) > 100 * CLOSE
    page = visit(script=change_settings(speakers=speakers))
    assert_same(analyze(page, long), plain, CLOSE)
    assert page.is_visible("[data-part=speaker]") == (len(plain.windows) >= ENOUGH)
    assert_same(analyze(page, long), plain, CLOSE)
    page.check("[data-part=adjust]")
    assert_same(save(page), second, CLOSE)
    page.uncheck("[data-part=adjust]")
    assert_same(save(page), plain, CLOSE)
    page.check("[data-part=adjust]")
    page.click("[data-part=forget]")
    assert not page.is_visible("[data-part=speaker]")
    analyze(page, long)
    analyze(page, long)
    page.check("[data-part=adjust]")
    assert_same(save(page), second, CLOSE)


def save(page) -> dict:
    with page.expect_download() as saved:
        page.click("[data-part=save]")
    return json.loads(saved.value.path().read_text())


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"), [(48_000, 2, "PCM_16"), (44_100, 1, "PCM_24"), (8_000, 1, "FLOAT")]
)
def test_other_rates(rate, channels, subtype, visit, analyze, long, classifier, tmp_path):
    file = tmp_path / "other.wav"
    waveform = soxr.resample(soundfile.read(long, dtype="float32")[0], RATE, rate)
    soundfile.write(file, np.stack([waveform, 0.5 * waveform][:channels], axis=1), rate, subtype)
    assert_same(analyze(visit(), file), analyze_voice_note(file, classifier), TOLERANCE)


def test_real_speech_at_48_khz(visit, analyze, real_ravdess, classifier, tmp_path):
    file = tmp_path / "ravdess.wav"
    source = sorted(real_ravdess.rglob("03-01-05-*"))[0]
    soundfile.write(file, soxr.resample(read_audio(source), RATE, 48_000), 48_000)
    assert_same(analyze(visit(), file), analyze_voice_note(file, classifier), TOLERANCE)


@pytest.mark.parametrize("name", ["1079_IEO_ANG_HI", "1075_IWL_SAD_XX"])
def test_speech_that_the_detector_misses(name, visit, analyze, real_cremad, classifier, tmp_path):
    """A shout, which is classified whole, and quiet sadness, which is found when it is louder."""
    file = tmp_path / "missed.wav"
    soundfile.write(file, read_audio(next(real_cremad.rglob(f"{name}.*"))), RATE, "FLOAT")
    found, note = analyze(visit(), file), analyze_voice_note(file, classifier)
    assert found["assumed"] == note.assumed == (name == "1079_IEO_ANG_HI")
    assert_same(found, note, CLOSE)


def test_flac_is_heard_as_it_was_recorded(visit, analyze, long, classifier, tmp_path):
    file = tmp_path / "long.flac"
    soundfile.write(file, *soundfile.read(long))
    assert_same(analyze(visit(), file), analyze_voice_note(file, classifier), CLOSE)


@pytest.mark.parametrize(("subtype", "rate"), [("OPUS", 48_000), ("VORBIS", 44_100)])
def test_compressed_files_are_decoded_by_the_browser(subtype, rate, visit, analyze, long, classifier, tmp_path):
    """Of formats whose decoders agree: MP3 leaves more to them, and Python decodes Opus of other rates to those."""
    file = tmp_path / "long.ogg"
    soundfile.write(file, soxr.resample(soundfile.read(long)[0], RATE, rate), rate, subtype=subtype)
    assert_same(analyze(visit(), file), analyze_voice_note(file, classifier), TOLERANCE)


def test_mp3_has_the_same_length_and_label(visit, analyze, long, classifier, tmp_path):
    file = tmp_path / "long.mp3"
    soundfile.write(file, soxr.resample(soundfile.read(long)[0], RATE, 44_100), 44_100)
    found, note = analyze(visit(), file), analyze_voice_note(file, classifier)
    assert (found["seconds"], found["label"], len(found["windows"])) == (note.seconds, note.label, len(note.windows))


def test_quantized_file(visit, analyze, long, model, tmp_path):
    """Native and web runtimes differ a little in eight bits; these weights make ten times as much of it as usual."""
    file = quantize(model, "w8", tmp_path / "w8.onnx")
    page = visit()
    page.route("**/fp32.onnx", lambda route: route.fulfill(path=file))
    assert_same(analyze(page, long), analyze_voice_note(long, EmotionClassifier(file, threads=1)), 5 * TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
def test_shipped_model_on_held_out_utterances(name, visit, analyze, change_settings, real_cremad, tmp_path):
    if not MODELS[name].is_file():
        pytest.skip(f"sercore/models/{name}.onnx is not there; `make ship` makes it")
    page = visit(script=change_settings(voice_note=vars(VoiceNoteSettings(vad=False))))
    page.route("**/fp32.onnx", lambda route: route.fulfill(path=MODELS[name]))
    classifier = EmotionClassifier(MODELS[name], threads=1)
    test = production_split(load_corpus("cremad", real_cremad)).test  # the profile open's
    differences = []
    for source in test.groupby("emotion").head(EACH)["path"]:
        soundfile.write(tmp_path / "one.wav", read_audio(source), RATE, "FLOAT")
        found, expected = analyze(page, tmp_path / "one.wav")["probabilities"], classifier.predict(source)
        differences.append(max(abs(found[label] - expected[label]) for label in classifier.labels))
    assert len(differences) == EACH * len(classifier.labels)
    assert max(differences) < EIGHT_BITS and np.mean(differences) < 5 * TOLERANCE
