"""A voice note over time: its panels, and that a note without speech is drawn as well."""

import numpy as np
import pytest

from sercore.labels import EMOTIONS
from sercore.page.timeline import draw_spans, draw_timeline
from sercore.runtime import VoiceNote


def make_note(seconds: float) -> VoiceNote:
    """Two windows, the second reaching 1 s into the first."""
    shares = dict(zip(EMOTIONS, (0.4, 0.3, 0.2, 0.1), strict=True))
    windows = [{"start": start, "end": end, "speech": 1.0, "weight": 2.0} | shares for start, end in ((0, 3), (2, 5))]
    return VoiceNote(seconds, np.array([[0.0, 5.0]]), windows, shares, EMOTIONS[0], 0.1, 1.0)


def test_windows_are_stacked_without_overlap():
    figure = draw_timeline(make_note(6.0))
    bars = figure.axes[-1].containers
    assert [bar.get_label() for bar in bars] == list(EMOTIONS)
    assert [(patch.get_x(), patch.get_width()) for patch in bars[0]] == [(0, 3), (3, 2)]
    assert [patch.get_y() for bar in bars for patch in bar][::2] == pytest.approx([0, 0.4, 0.7, 0.9])


def test_more_panels_stand_above_in_the_unit_of_the_note():
    def draw(axis, unit):
        draw_spans(axis, "true", np.array([[0.0, 300.0]]) / unit)

    figure = draw_timeline(make_note(600.0), [(0.4, draw)])
    assert [axis.get_ylabel() for axis in figure.axes] == ["true", "speech", "probability"]
    assert figure.axes[0].patches[0].get_width() == 5  # minutes


@pytest.mark.parametrize(("seconds", "label"), [(60, "time (s)"), (3600, "time (min)")])
def test_long_notes_are_drawn_in_minutes(seconds, label):
    assert draw_timeline(make_note(seconds)).axes[-1].get_xlabel() == label


def test_note_without_speech_is_drawn():
    assert len(draw_timeline(VoiceNote(3.0, np.zeros((0, 2)), [])).axes) == 2
