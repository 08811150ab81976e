"""Notes of known emotion: what is in them, how much is pause, how loud the noise is, and that the pipeline's answers are kept."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore.data import SAMPLE_RATE
from sercore.data.corpora.voice import draw_voice, express, speak
from sercore.deployment import EmotionClassifier, assembly
from sercore.deployment.assembly import FILLERS, SHARES, UTTERANCES
from sercore.deployment.export import export_onnx
from sercore.deployment.rules import AGGREGATES, Rules
from sercore.deployment.voice_note import analyze_voice_note
from sercore.emotions import EMOTIONS
from sercore.training import build_classifier


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two speakers of one corpus, one of another; two utterances of each emotion, 0.5 s of a synthetic voice between silences."""
    folder, rows, rng = tmp_path_factory.mktemp("voices"), [], np.random.default_rng(0)
    for corpus, speaker in (("one", "a"), ("one", "b"), ("other", "a")):
        voice = draw_voice("male", rng)
        for emotion in EMOTIONS:
            for number in range(2):
                path = folder / f"{corpus}-{speaker}-{emotion}-{number}.wav"
                speech = speak(voice, express(emotion, 1), 0.5, SAMPLE_RATE, rng)
                soundfile.write(path, np.pad(speech, SAMPLE_RATE), SAMPLE_RATE)
                rows.append({"corpus": corpus, "speaker": speaker, "emotion": emotion, "path": str(path), "peak": np.abs(speech).max()})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return EmotionClassifier(export_onnx(build_classifier("tiny").eval(), tmp_path_factory.mktemp("model") / "fp32.onnx"), threads=1)


@pytest.fixture(scope="module")
def heard(table, classifier):
    """Two notes, all conditions."""
    notes = assembly.choose(table, speakers=1).iloc[:2]
    return notes, *assembly.hear(notes, classifier)


def tones(*lengths: int) -> list[np.ndarray]:
    return [np.full(length, 0.1 * (number + 1), np.float32) for number, length in enumerate(lengths)]


# What a note is made of


def test_a_note_has_one_speaker_and_one_emotion(table):
    notes = assembly.choose(table)
    assert len(notes) == 3 * len(EMOTIONS) and notes["note"].is_unique
    for row in notes.itertuples():
        corpus, speaker = row.speaker.split("/")
        assert len(row.paths) == UTTERANCES and all(f"{corpus}-{speaker}-{row.truth}" in path for path in row.paths)


def test_too_few_utterances_are_repeated_evenly_and_told(table):
    for row in assembly.choose(table).itertuples():
        assert row.utterances == 2 and {row.paths.count(path) for path in row.paths} == {UTTERANCES // 2}


def test_speakers_are_limited_by_corpus(table):
    assert set(assembly.choose(table, speakers=1)["speaker"]) == {"one/a", "other/a"}


def test_a_silent_utterance_is_in_no_note(table):
    silent = table["path"].iloc[0]
    notes = assembly.choose(table.assign(peak=table["peak"].where(table["path"] != silent, 0)))
    assert not any(silent in paths for paths in notes["paths"]) and notes["utterances"].min() == 1


def test_the_order_follows_the_seed_and_not_the_table(table):
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(assembly.choose(table, seed=1), assembly.choose(shuffled, seed=1))
    assert list(assembly.choose(table, seed=1)["paths"]) != list(assembly.choose(table, seed=2)["paths"])


def test_silence_at_the_ends_of_an_utterance_is_no_speech(table):
    """0.5 s were spoken; the trim is as fine as its frames of 512 samples, and cuts what is 20 dB below the peak."""
    assert len(assembly.spoken(table["path"].iloc[0])) / SAMPLE_RATE == pytest.approx(0.5, abs=0.15)


# Pauses


@pytest.mark.parametrize("share", SHARES)
def test_the_share_of_pause_is_as_asked(share):
    note, spans = assembly.string(tones(8000, 12000, 4000), share, np.random.default_rng(0))
    assert 1 - 24000 / len(note) == pytest.approx(share, abs=1e-4)
    assert np.count_nonzero(note) == 24000 and np.diff(spans, axis=1).ravel().tolist() == [8000, 12000, 4000]


def test_utterances_stay_whole_and_in_order():
    utterances = tones(8000, 12000, 4000)
    note, spans = assembly.string(utterances, 0.6, np.random.default_rng(0))
    for utterance, (start, end) in zip(utterances, spans, strict=True):
        np.testing.assert_array_equal(note[start:end], utterance)
    assert spans[0, 0] == 0 and spans[-1, 1] == len(note)


def test_no_pause_is_one_after_the_other():
    note, _ = assembly.string(tones(10, 20), 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(note, np.concatenate(tones(10, 20)))


def test_pauses_are_uneven_within_bounds():
    _, spans = assembly.string(tones(*[8000] * 8), 0.8, np.random.default_rng(0))
    gaps = spans[1:, 0] - spans[:-1, 1]
    assert len(set(gaps)) > 1 and gaps.max() / gaps.min() <= assembly.UNEVEN[1] / assembly.UNEVEN[0]


# Noise


def test_noise_is_pink_and_of_power_one():
    """Power falls by half per octave: every octave holds the same."""
    sound = assembly.noise(2**18, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(sound)) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].sum() for k in range(9, 17)]
    assert np.mean(sound**2) == pytest.approx(1, rel=1e-4) and max(octaves) / min(octaves) < 1.2


@pytest.mark.parametrize("snr_db", [40, 20, 10, 0])
def test_noise_is_so_many_decibels_below_the_speech(snr_db):
    sound, power = assembly.noise(16000, np.random.default_rng(0)), 0.02
    added = assembly.fill(np.zeros(16000, np.float32), sound, power, snr_db)
    assert 10 * np.log10(power / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)


def test_digital_silence_is_zeros():
    note = np.array([0.5, 0, 0], np.float32)
    np.testing.assert_array_equal(assembly.fill(note, np.ones(3, np.float32), 1.0, FILLERS["silence"]), note)


# Conditions and answers


def test_every_condition_once_from_the_same_utterances(table):
    row = assembly.choose(table).iloc[0]
    found = [(filler, share, waveform) for filler, share, waveform in assembly.conditions(row["paths"], row["note"])]
    again = [waveform for _, _, waveform in assembly.conditions(row["paths"], row["note"])]
    assert {(filler, share) for filler, share, _ in found} == {(filler, share) for filler in FILLERS for share in SHARES}
    assert all(np.array_equal(one, other) for (_, _, one), other in zip(found, again, strict=True))
    plain = {share: waveform for filler, share, waveform in found if filler == "silence"}
    shortest = np.sort(plain[0.0][plain[0.0] != 0])
    assert all(np.array_equal(np.sort(waveform[waveform != 0]), shortest) for waveform in plain.values())


def test_every_note_has_an_answer_of_every_rule_under_every_condition(heard):
    notes, answers, _ = heard
    assert len(answers) == len(notes) * len(FILLERS) * len(SHARES) * 2 * len(AGGREGATES)
    assert not answers.duplicated(["note", "filler", "share", "vad", "rule"]).any()


def test_without_vad_all_is_kept_and_answered(heard):
    _, answers, _ = heard
    own = answers[~answers["vad"]]
    assert own["kept"].to_numpy() == pytest.approx(own["seconds"].to_numpy()) and own["predicted"].isin(EMOTIONS).all()


@pytest.mark.parametrize("rule", AGGREGATES)
def test_answers_are_those_of_the_pipeline(heard, classifier, rule):
    notes, answers, _ = heard
    row = notes.iloc[0]
    own = answers[(answers["note"] == row["note"]) & (answers["rule"] == rule)].set_index(["filler", "share", "vad"])
    for filler, share, waveform in assembly.conditions(row["paths"], row["note"]):
        if share == SHARES[-1]:
            note = analyze_voice_note(waveform, classifier, rules=Rules(aggregate=rule))
            assert own.loc[(filler, share, True), "predicted"] == (note.label or "")


def test_windows_belong_to_their_notes(heard):
    _, answers, windows = heard
    answered = answers[answers["predicted"] != ""].drop_duplicates(["note", "filler", "share", "vad"])
    assert len(windows.drop_duplicates(["note", "filler", "share", "vad"])) == len(answered)
    weights = windows.groupby(["note", "filler", "share", "vad"], sort=False)["weight"].sum()
    assert weights.to_numpy() == pytest.approx(answered["kept"].to_numpy())
    assert windows[[*EMOTIONS]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("rule", "emotion"), [("weighted", "anger"), ("mean", "happiness"), ("median", "neutral")])
def test_rules_differ_where_windows_do(rule, emotion):
    """Nine seconds of anger against two of one; the mean of happiness is largest, the median of neutral."""
    windows = pd.DataFrame([[0.6, 0.0, 0.4, 0.0], [0.0, 0.9, 0.1, 0.0], [0.2, 0.3, 0.5, 0.0]], columns=EMOTIONS)
    assert assembly.label(windows.assign(weight=[9, 1, 1]), rule) == emotion


def test_no_window_is_no_answer():
    assert assembly.label(pd.DataFrame(columns=["weight", *EMOTIONS]), "mean") == ""


def test_utterances_one_by_one_are_what_the_classifier_says_of_each(table, classifier):
    notes = assembly.choose(table).iloc[:1]
    alone = assembly.one_by_one(notes, classifier)
    assert len(alone) == UTTERANCES and set(alone["vad"]) == {assembly.ALONE}
    heard = assembly.spoken(notes["paths"].iloc[0][3])
    assert alone.loc[3, [*EMOTIONS]].to_dict() == classifier.predict(heard)
    assert alone.loc[3, "weight"] == len(heard) / SAMPLE_RATE


# The worked note


def test_the_worked_note_has_one_emotion_after_the_other(table):
    note, truth = assembly.worked_note(table)
    assert list(truth["emotion"]) == list(EMOTIONS)
    gaps = truth["start"].to_numpy()[1:] - truth["end"].to_numpy()[:-1]
    assert gaps.mean() == pytest.approx(assembly.WORKED_PAUSE, abs=0.01) and truth["end"].iloc[-1] == pytest.approx(len(note) / SAMPLE_RATE)


def test_an_envelope_is_the_peak_of_each_piece():
    np.testing.assert_array_equal(assembly.envelope(np.array([0.1, -0.4, 0.2, 0.1, 0.0, 0.0]), 3), [1, 0.5, 0])
    np.testing.assert_array_equal(assembly.envelope(np.zeros(6), 3), np.zeros(3))
