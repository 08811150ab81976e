"""Views on synthetic speech and what teachers of either kind make of them, never of held-out speakers."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from sercore.data import load_split
from sercore.training import Run, build_classifier, load_classifier
from sercore.training.teacher_views import Clips, Distillation, draw_content, make_views

SETTINGS = {"views": 2}
CLIPS = Clips(
    [np.full(1000 * n, n / 10, np.float32) for n in (3, 4, 5)], np.array(["a", "a", "b"]), np.array([0, 0, 1])
)


def test_views_of_another_teacher_are_made_anew(run, monkeypatch):
    first, _ = make_views(run, Distillation(**SETTINGS))
    monkeypatch.setattr(Run, "digest", "another")
    second, _ = make_views(run, Distillation(**SETTINGS))
    assert first[0].waveforms.filename != second[0].waveforms.filename


@pytest.mark.parametrize("all_speakers", [False, True])
def test_no_held_out_speaker_is_shown(run, all_speakers):
    """The first view has the clips as they are: the labelled ones of the speakers shown, then ones without a label."""
    split, _ = load_split(run.experiment)
    shown, others = make_views(run, Distillation(**SETTINGS, all_speakers=all_speakers))
    parts = [split.train, split.validation] if all_speakers else [split.train]
    known, kept = pd.concat(parts), split.test if all_speakers else split.validation
    assert (shown[0].labels[: len(known)] >= 0).all() and (shown[0].labels[len(known) :] == -1).all()
    np.testing.assert_allclose(shown[0].seconds[: len(known)], known["seconds"], atol=1e-6)
    np.testing.assert_allclose(others[0].seconds, kept["seconds"], atol=1e-6)
    assert not {*known["speaker"]} & {*kept["speaker"]}


def test_sentences_come_last_each_a_speaker_of_its_own_without_label(run, monkeypatch, tmp_path):
    plain, _ = make_views(run, Distillation(**SETTINGS))
    for name, samples in {"a.wav": 16_000, "b.wav": 8000}.items():
        soundfile.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, samples), 16_000)
    monkeypatch.setenv("SERCORE_SPEECH", str(tmp_path))
    shown, _ = make_views(run, Distillation(**SETTINGS))
    assert shown[0].labels.tolist() == [*plain[0].labels, -1, -1]
    np.testing.assert_allclose(shown[0].seconds[-2:], [1, 0.5], atol=0.1)  # but for what is trimmed


def test_targets_are_what_the_teachers_make_of_a_view(run):
    """To half precision, and to that of bfloat16 where the processor has it."""
    _, validation = make_views(run, Distillation(**SETTINGS))
    view = validation[0]
    values = torch.from_numpy(view[0]["input_values"])[None]
    with torch.no_grad():
        moments = torch.cat(build_classifier("whisper-base").eval().pool_layers(values)[-2:], 1)
        logits = load_classifier(run.path / "model")(values).logits
    np.testing.assert_allclose(view.targets["moments"][0], moments[0], atol=0.1)
    np.testing.assert_allclose(view.targets["logits"][0], logits[0], atol=0.1)


def test_first_view_has_clips_as_they_are_and_later_ones_have_not(run):
    shown, _ = make_views(run, Distillation(**SETTINGS))
    assert (shown[0].labels >= 0).sum() > (shown[1].labels >= 0).sum()
    assert not np.array_equal(shown[0].ends, shown[1].ends)


def test_label_is_kept_only_where_voice_and_emotion_are(monkeypatch):
    drawn = [draw_content(CLIPS, 0, Distillation(content=False), np.random.default_rng(n)) for n in range(60)]
    for waveform, label in drawn:
        foreign = waveform[-1] == np.float32(0.5)  # the clip of the other speaker
        assert not (foreign and label == 0)
    assert {label for _, label in drawn} == {0, -1}


def test_without_splice_and_content_a_clip_stays_as_it_is():
    waveform, label = draw_content(CLIPS, 1, Distillation(splice=False, content=False), np.random.default_rng(0))
    assert waveform is CLIPS.waveforms[1] and label == 0


def test_a_teacher_of_another_kind_is_pooled_too(run, monkeypatch):
    """HuBERT's last layers, one utterance at a time, since it cannot pool rows of different lengths."""
    hubert = build_classifier("tiny").eval()
    monkeypatch.setattr("sercore.training.teacher_views.build_classifier", lambda name: hubert)
    _, validation = make_views(run, Distillation(**SETTINGS))
    assert validation[0].targets["moments"].shape[1] == 4 * hubert.config.hidden_size


@pytest.mark.fault("full disk")
def test_full_disk_leaves_no_half_view(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(OSError, match=r"cannot write the views .*free space"):
        make_views(run, Distillation(**SETTINGS))
    assert not any(folder.is_dir() for folder in Path(os.environ["SERCORE_RUNS"]).glob("cache/views-*/[!.]*"))
