"""Figures of voice notes, checked for what they say: spans, probabilities, marks, labels, colors."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from sercore.emotions import EMOTIONS
from sercore.evaluation.plots import COLORS, WIDTH, voice

pytestmark = pytest.mark.filterwarnings("error")

FILLERS = ["silence", "room tone", "noise 20 dB", "noise 10 dB", "noise 0 dB"]
SHARES = [0.0, 0.2, 0.4, 0.6, 0.8]


def note(seconds: float = 40.0, windows=((0, 8), (8, 16), (12, 20), (30, 38))) -> SimpleNamespace:
    """As a `VoiceNote`: sure of anger first, of sadness last."""
    table = pd.DataFrame(windows, columns=["start", "end"], dtype=float).assign(speech=0.9, weight=4.0)
    shares = np.linspace([0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7], len(table))
    table = table.assign(**dict(zip(EMOTIONS, shares.T)))
    segments = pd.DataFrame({"start": [0.0, 30.0], "end": [20.0, 38.0]})
    means = dict(zip(EMOTIONS, shares.mean(axis=0)))
    return SimpleNamespace(seconds=seconds, speech_seconds=28.0, segments=segments, windows=table, probabilities=means, label="anger")


def unheard() -> SimpleNamespace:
    """A note without speech."""
    empty = note()
    empty.windows, empty.segments = empty.windows.iloc[:0], empty.segments.iloc[:0]
    empty.label, empty.probabilities, empty.speech_seconds = None, None, 0.0
    return empty


def arms(rows: list[dict], one: float, other: float) -> pd.DataFrame:
    values = {"one": one, "other": other, "gain": other - one}
    spread = {f"{name}_{side}": value + sign * 0.05 for name, value in values.items() for side, sign in (("low", -1), ("high", 1))}
    return pd.DataFrame(rows).assign(**values, **spread)


TRUTH = pd.DataFrame({"start": [0.0, 30.0], "end": [20.0, 40.0], "emotion": ["anger", "sadness"]})
BIAS = arms([{"score": score, "filler": f, "share": s} for score in ("UA", "neutral") for f in FILLERS for s in SHARES], 0.6, 0.4)
AGGREGATES = ("weighted", "mean", "median")
RULES = arms([{"rule": rule, "vad": v, "share": s} for rule in AGGREGATES for v in (False, True) for s in SHARES], 0.4, 0.5)
JITTER = arms([{"measure": m, "filler": f, "vad": v} for m in ("changes", "UA") for v in (False, True) for f in FILLERS], 0.3, 0.1)
COST = pd.DataFrame({"seconds": [1.0, 60, 7200], "vad": 0.004, "classifier": [0.01, 0.012, 0.011], "peak": [1e8, 1.1e8, 1.12e8]})


@pytest.fixture(scope="module")
def figures():
    """Every figure, drawn."""
    drawn = {
        "timeline": voice.timeline(note(), np.linspace(0, 1, 50), TRUTH),
        "timeline alone": voice.timeline(note()),
        "timeline without speech": voice.timeline(unheard()),
        "by_pause": voice.by_pause(BIAS, "neutral"),
        "by_rule": voice.by_rule(RULES),
        "jitter": voice.jitter(JITTER),
        "by_length": voice.by_length(COST),
    }
    for figure in drawn.values():
        figure.savefig(io.BytesIO(), format="png", dpi=40)
    return drawn


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_every_figure_is_seven_inches_wide_and_describes_itself(figures):
    for name, figure in figures.items():
        assert figure.get_figwidth() == WIDTH, name
        assert len(figure.get_label()) > 40 and "nan" not in figure.get_label(), name


def test_letters_are_legible_on_a_phone(figures):
    """358 pixels are left for a figure on a page 390 pixels wide; nine pixels are still read."""
    for name, figure in figures.items():
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        assert min(text.get_fontsize() for text in texts) * 358 / (72 * WIDTH) > 9, name


def test_nothing_reaches_beyond_the_figure(figures):
    for name, figure in figures.items():
        box = figure.get_tightbbox()
        assert min(box.x0, box.y0) > -0.05 and box.x1 < WIDTH + 0.05 and box.y1 < figure.get_figheight() + 0.05, name


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("timeline", ["time (s)", "probability", "speech", "true", "level"]),
        ("by_pause", ["share of the note that is pause", "Answers that are neutral (bars: 95 %)"]),
        ("by_rule", ["share of the note that is pause", "UA over notes"]),
        ("jitter", ["windows whose label is not the one before (bars: 95 %)"]),
        ("by_length", ["work (ms per s\nof audio)", "peak memory\n(MB)", "length of the recording"]),
    ],
)
def test_axes_name_their_units(figures, name, units):
    assert set(units) <= set(words(figures[name]))


# One note


def test_probabilities_are_stacked_to_one_in_the_colors_of_the_emotions(figures):
    groups = figures["timeline"].axes[-1].containers
    assert [group.get_label() for group in groups] == list(EMOTIONS)
    assert [to_hex(group[0].get_facecolor()) for group in groups] == list(COLORS.values())
    tops = [bar.get_y() + bar.get_height() for bar in groups[-1]]
    assert tops == pytest.approx([1.0] * 4)


def test_a_window_shows_what_no_earlier_one_does(figures):
    """The third window begins at 12 s, inside the second, which ends at 16 s."""
    bars = figures["timeline"].axes[-1].containers[0]
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars] == [(0, 8), (8, 16), (16, 20), (30, 38)]


def test_true_emotions_and_speech_stand_where_they_are(figures):
    _, truth, speech, _ = figures["timeline"].axes
    assert [(bar.get_x(), to_hex(bar.get_facecolor())) for bar in truth.patches] == [(0, COLORS["anger"]), (30, COLORS["sadness"])]
    assert [text.get_text() for text in truth.texts] == ["anger", "sadness"]
    assert [(bar.get_x(), bar.get_width()) for bar in speech.patches] == [(0, 20), (30, 8)]


def test_a_note_alone_needs_neither_level_nor_truth(figures):
    assert len(figures["timeline"].axes) == 4 and len(figures["timeline alone"].axes) == 2


def test_a_note_says_its_label_and_its_windows(figures):
    assert figures["timeline alone"].get_label() == (
        "A voice note of 40 s over time, 28 s of them speech. "
        "Its 4 windows in order: anger, anger, sadness, sadness. The note: anger."
    )


def test_no_speech_is_said_and_drawn_empty(figures):
    assert "no speech was found, so there is no answer" in figures["timeline without speech"].get_label()
    assert not figures["timeline without speech"].axes[-1].patches


def test_long_notes_are_told_in_minutes():
    figure = voice.timeline(note(3600.0, [(0, 8), (3592, 3600)]))
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert "time (min)" in words(figure) and figure.axes[-1].get_xlim() == (0, 60)


def test_an_hour_is_described_in_few_words():
    windows = [(start, start + 8) for start in range(0, 3600, 8)]
    label = voice.timeline(note(3600.0, windows)).get_label()
    assert len(label) < 400 and "anger" in label and "450 windows" in label


# Many notes


def test_every_filler_has_a_panel_with_both_arms(figures):
    panels = figures["by_pause"].axes
    assert [axis.get_title() for axis in panels] == FILLERS
    for axis in panels:
        without, with_vad = (line for line in axis.lines if len(line.get_xdata()) == len(SHARES))
        assert without.get_ydata().tolist() == [0.6] * 5 and with_vad.get_ydata().tolist() == [0.4] * 5
        assert without.get_marker() != with_vad.get_marker() and without.get_linestyle() != with_vad.get_linestyle()


def test_the_share_of_neutral_notes_is_the_dotted_line(figures):
    dotted = [line.get_ydata()[0] for line in figures["by_pause"].axes[0].lines if line.get_linestyle() == ":"]
    assert dotted == [1 / 4]


def test_the_largest_share_of_pause_is_told(figures):
    assert "At the largest share: silence 0.60 without, 0.40 with;" in figures["by_pause"].get_label()


def test_rules_differ_without_color(figures):
    for axis in figures["by_rule"].axes:
        looks = {(line.get_linestyle(), line.get_marker()) for line in axis.lines}
        assert len(looks) == 3
    assert {"weighted", "mean", "median", "with VAD", "without VAD"} <= set(words(figures["by_rule"]))


def test_jitter_before_is_hollow_and_after_is_filled(figures):
    for axis in figures["jitter"].axes:
        before, after = axis.lines
        assert to_hex(before.get_markerfacecolor()) == "#ffffff" != to_hex(after.get_markerfacecolor())
        assert list(before.get_xdata()) == [0.3] * 5 and list(after.get_xdata()) == [0.1] * 5


def test_jitter_of_nothing_can_be_drawn():
    """Where the label never changes, all marks and intervals are at zero."""
    zero = JITTER.assign(**dict.fromkeys(JITTER.columns[3:], 0.0))
    voice.jitter(zero).savefig(io.BytesIO(), format="png", dpi=40)


def test_work_is_stacked_and_summed(figures):
    time, memory = figures["by_length"].axes
    rest, classifier = time.containers
    assert [bar.get_y() for bar in classifier] == pytest.approx([4.0] * 3) and classifier[0].get_hatch() != rest[0].get_hatch()
    assert [text.get_text() for text in time.texts] == ["14", "16", "15"]
    assert memory.lines[0].get_ydata().tolist() == pytest.approx([100, 110, 112])


@pytest.mark.parametrize(("seconds", "said"), [(1, "1 s"), (60, "1 min"), (90, "1.5 min"), (7200, "2 h"), (0.5, "0.5 s")])
def test_lengths_are_said_in_the_unit_that_fits(seconds, said):
    assert voice.duration(seconds) == said
