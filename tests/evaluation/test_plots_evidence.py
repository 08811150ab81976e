"""Figures of arms, hold-outs, systems and of an unheard corpus, checked for what they say: marks, labels, colors."""

import io
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation, Text

from sercore.emotions import EMOTIONS
from sercore.evaluation import ablation, comparison, plots, transfer
from sercore.evaluation.tables import METRICS

SEABORNS = "ignore:vert:DeprecationWarning"
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings(SEABORNS)]

METRIC_NAMES = list(METRICS.values())
RECALLS = [f"recall_{emotion}" for emotion in EMOTIONS]
NOT_ALIGNED, ALIGNED = 0.3, 0.5  # UA


def fold_scores(values: dict) -> pd.DataFrame:
    """Scores of two arms over five folds, the same whatever the metric."""
    rows = [
        {"arm": arm, "fold": fold, **dict.fromkeys(METRICS, score)}
        for arm, scores in values.items()
        for fold, score in enumerate(scores, 1)
    ]
    return pd.DataFrame(rows)


ALONE, BOTH = [0.42, 0.50, 0.46, 0.39, 0.48], [0.49, 0.45, 0.50, 0.42, 0.47]
SCORES = fold_scores({"ravdess+cremad": BOTH, "ravdess": ALONE})
INTERVALS = pd.DataFrame(
    {"gain": [0.05, -0.02, -0.06], "gain_low": [0.01, -0.05, -0.1], "gain_high": [0.09, 0.01, -0.02]},
    ["WA", "UA", "f1_anger"],
)
BINS = pd.DataFrame(
    [(0.3, 0.4, 30, 0.36, 0.3), (0.4, 0.5, 12, 0.44, 0.6)],
    columns=["low", "high", "utterances", "confidence", "accuracy"],
)
SYSTEMS = pd.DataFrame(
    {
        "system": ["one", "two", "three", "sizeless"],
        "parameters": [23.49e6, 95.04e6, 94.7e6, None],
        "metric": "UA",
        "value": [61.4, 67.2, 63.87, 70.0],
        "protocol": ["LOSO", "10-fold", "LOSO", "LOSO"],
    }
)
MEASURED = pd.DataFrame(
    {"value": [0.9, 0.1, 0.5, 0.3], "low": [0.8, 0.0, 0.4, 0.2], "high": [1.0, 0.2, 0.6, 0.4]},
    RECALLS,
)
SPEAKERS = pd.DataFrame(
    {"WA": [0.5, 0.3, 0.4], "WA_low": [0.4, 0.2, 0.3], "WA_high": [0.6, 0.4, 0.5], "sex": ["male", "female", "male"]},
    ["01", "02", "03"],
)
VARIANTS = pd.DataFrame(
    [(0.3, 0.25, 0.35, 0.9, 0, 0.2, 0.1), (0.5, 0.45, 0.55, 0.6, 0.3, 0.6, 0.5)],
    ["as it is", "per speaker"],
    ["UA", "UA_low", "UA_high", *RECALLS],
)
CURVE = pd.DataFrame({"utterances": range(1, 21), "UA": np.linspace(0.31, 0.48, 20)})
CURVE = CURVE.assign(low=CURVE["UA"] - 0.05, high=CURVE["UA"] + 0.05)
SKEWED = pd.DataFrame(
    [(emotion, share, 0.5 - share / 4) for emotion in EMOTIONS for share in (0.25, 0.5, 1)],
    columns=["emotion", "share", "UA"],
)
SKEWED = SKEWED.assign(UA_least=SKEWED["UA"] - 0.03, UA_most=SKEWED["UA"] + 0.03)


def measures(*corpora: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(corpus, emotion) for corpus in corpora for emotion in EMOTIONS for _ in range(9)]
    table = pd.DataFrame(rows, columns=["corpus", "emotion"])
    typical = {"level": -25, "pitch": 180, "pitch_range": 3, "seconds": 2}
    return table.assign(**{name: value * rng.normal(1, 0.1, len(table)) for name, value in typical.items()})


def history(*ua: float) -> pd.DataFrame:
    return pd.DataFrame({"epoch": range(1, len(ua) + 1), "UA": ua})


@pytest.fixture(scope="module")
def figures():
    """Every figure, drawn."""
    drawn = {
        "paired_folds": plots.paired_folds(SCORES),
        "gains": plots.gains(INTERVALS, "random minus disjoint"),
        "t_ranges": plots.t_ranges(ablation.printed_limits(), 2.776),
        "validation_curves": plots.validation_curves({"random": history(0.3, 0.5), "disjoint": history(0.3, 0.4, 0.2)}),
        "reliability": plots.reliability(BINS, BINS.assign(confidence=[0.32, 0.47])),
        "pareto": plots.pareto(SYSTEMS),
        "pareto, published": plots.pareto(comparison.systems()),
        "recalls": plots.recalls(MEASURED, transfer.printed_recalls()),
        "by_speaker": plots.by_speaker(SPEAKERS, 0.333),
        "voices": plots.voices(measures("cremad", "ravdess")),
        "voices of three corpora": plots.voices(measures("iemocap", "cremad", "ravdess")),
        "variants": plots.variants(VARIANTS),
        "by_arrival": plots.by_arrival(CURVE, NOT_ALIGNED, ALIGNED),
        "unbalanced": plots.unbalanced(SKEWED, NOT_ALIGNED),
    }
    for figure in drawn.values():
        draw(figure)
    return drawn


def draw(figure) -> None:
    figure.savefig(io.BytesIO(), format="png", dpi=40)


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def points(axis) -> list:
    """Lines of a single point."""
    return [line for line in axis.lines if len(line.get_xdata()) == 1]


def hollow(line) -> bool:
    return to_hex(line.get_markerfacecolor()) == "#ffffff"


def overlapping(texts) -> list[tuple[str, str]]:
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    return [(one, other) for (one, first), (other, second) in combinations(boxes, 2) if first.overlaps(second)]


# All figures


def test_every_figure_can_be_drawn_is_seven_inches_wide_and_describes_itself(figures):
    for name, figure in figures.items():
        assert figure.get_figwidth() == plots.WIDTH, name
        assert len(figure.get_label()) > 40 and "nan" not in figure.get_label(), name


def test_letters_are_legible_on_a_phone(figures):
    """358 pixels are left for a figure on a page 390 pixels wide; nine pixels are still read."""
    for name, figure in figures.items():
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        assert min(text.get_fontsize() for text in texts) * 358 / (72 * plots.WIDTH) > 9, name


def test_nothing_reaches_beyond_the_figure(figures):
    for name, figure in figures.items():
        box = figure.get_tightbbox()
        assert min(box.x0, box.y0) > -0.05 and box.x1 < plots.WIDTH + 0.05, name
        assert box.y1 < figure.get_figheight() + 0.05, name


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("paired_folds", ["test score", "RAVDESS alone, or RAVDESS + CREMA-D"]),
        ("gains", ["random minus disjoint (percentage points)"]),
        ("t_ranges", ["t over five folds (grey: not significant, |t| < 2.776)"]),
        ("validation_curves", ["epoch", "UA on the hold-out"]),
        ("reliability", ["share that is right", "probability of the predicted emotion", "utterances"]),
        ("pareto", ["parameters (million, logarithmic)", "printed score (percent)"]),
        ("recalls", ["recall", "this run, 95 % interval", "paper v1", "paper v2"]),
        ("by_speaker", ["the 3 speakers, by WA (dotted: one answer for all)", "WA"]),
        ("voices", ["level (dB)", "pitch (Hz)", "pitch range (semitones)", "duration (s)"]),
        ("variants", ["bar: UA with 95 % interval\nmarks: recalls (dotted: chance)"]),
        ("by_arrival", ["utterances of the speaker heard so far", "UA (band: 95 %)"]),
        ("unbalanced", ["share of one emotion in what was heard", "UA"]),
    ],
)
def test_axes_name_their_units(figures, name, units):
    assert set(units) <= set(words(figures[name]))


def test_same_color_for_the_same_emotion_in_every_figure(figures):
    colors = list(plots.COLORS.values())
    assert [line.get_color() for line in points(figures["recalls"].axes[0])[:4]] == colors
    assert [line.get_color() for line in points(figures["variants"].axes[0])[1:5]] == colors
    unbalanced = figures["unbalanced"].axes[0].lines
    assert {line.get_label(): line.get_color() for line in unbalanced if line.get_label() in EMOTIONS} == plots.COLORS
    boxes = figures["voices"].axes[0].patches[:4]
    assert [to_hex(box.get_facecolor()) for box in boxes] == colors


# Arms


def test_every_fold_is_a_line_from_the_one_arm_to_the_other():
    figure = plots.paired_folds(SCORES)
    for axis in figure.axes:
        assert [tuple(line.get_ydata()) for line in axis.lines[:5]] == list(zip(ALONE, BOTH))
        assert [text.get_text() for text in axis.texts] and {text.get_text() for text in axis.texts} == set("12345")


def test_the_mean_of_the_folds_is_the_thickest_line():
    for axis in plots.paired_folds(SCORES).axes:
        thickest = max(axis.lines, key=lambda line: line.get_linewidth())
        assert list(thickest.get_ydata()) == pytest.approx([0.45, 0.466])
    assert "UA from 0.450 to 0.466" in plots.paired_folds(SCORES).get_label()


@pytest.mark.parametrize(
    "both",
    [BOTH, [0.42, 0.422, 0.421, 0.5, 0.423], [0.5] * 5, [0.1, 0.9, 0.901, 0.899, 0.9], [0.42, 0.41, 0.40, 0.39, 0.38]],
    ids=["apart", "close", "equal", "close on a wide axis", "steps"],
)
def test_fold_labels_do_not_cover_each_other(both):
    figure = plots.paired_folds(fold_scores({"ravdess": ALONE, "ravdess+cremad": both}))
    draw(figure)
    for axis in figure.axes:
        assert not overlapping([*axis.texts, axis.title])


def test_one_fold_can_be_drawn():
    draw(plots.paired_folds(SCORES[SCORES["fold"] == 2]))


def test_an_interval_across_zero_is_drawn_hollow():
    axis = plots.gains(INTERVALS).axes[0]
    assert [hollow(line) for line in points(axis)] == [False, True, False]


def test_gains_are_percentage_points_from_the_top_down():
    figure = plots.gains(INTERVALS)
    axis = figure.axes[0]
    assert [line.get_xdata()[0] for line in points(axis)] == pytest.approx([5, -2, -6])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["WA", "UA", "F1 anger"] and axis.yaxis_inverted()
    assert "UA -2.0 (-5.0 to +1.0)" in figure.get_label()


def test_the_critical_t_stands_on_both_sides():
    axis = plots.t_ranges(ablation.printed_limits(), 2.776).axes[0]
    dashed = [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"]
    assert dashed == [-2.776, 2.776]
    ends = [line.get_xdata().tolist() for line in axis.lines if line.get_marker() == "|"]
    assert np.round(ends[0], 2).tolist() == [0.52, 2.68]  # WA
    assert [label.get_text() for label in axis.get_yticklabels()] == METRIC_NAMES


# Hold-outs


def test_two_models_are_told_apart_without_color(figures):
    one, other = figures["validation_curves"].axes[0].lines
    assert one.get_linestyle() != other.get_linestyle() and one.get_marker() != other.get_marker()
    assert "random: best 0.500; disjoint: best 0.400" in figures["validation_curves"].get_label()


def test_a_perfect_match_is_the_dotted_diagonal(figures):
    curve, count = figures["reliability"].axes
    assert [list(curve.lines[0].get_xdata()), list(curve.lines[0].get_ydata())] == [[0, 1], [0, 1]]
    assert {"as trained", "with a temperature"} <= set(words(figures["reliability"]))
    assert [bar.get_height() for bar in count.patches] == [30, 12]
    assert "0.36: 0.30; 0.44: 0.60" in figures["reliability"].get_label()


# Systems


def test_marks_differ_by_protocol():
    figure = plots.pareto(SYSTEMS)
    marks = {points.get_label(): points.get_paths()[0].vertices.tolist() for points in figure.axes[0].collections}
    assert set(marks) == {"LOSO", "10-fold"} and marks["LOSO"] != marks["10-fold"]
    assert {"LOSO", "10-fold"} <= {text.get_text() for text in figure.legends[0].get_texts()}


@pytest.mark.parametrize("systems", [comparison.systems, comparison.cross_corpus])
def test_every_published_score_has_a_mark_of_its_protocol(systems):
    drawn = plots.pareto(systems()).axes[0].collections
    counts = systems()["protocol"].value_counts().to_dict()
    assert {own.get_label(): len(own.get_offsets()) for own in drawn} == counts
    looks = {(str(own.get_paths()[0].vertices.tolist()), to_hex(own.get_facecolor()[0])) for own in drawn}
    assert len(looks) == len(counts)


def test_names_of_systems_do_not_cover_each_other(figures):
    names = [text for text in figures["pareto, published"].axes[0].texts if isinstance(text, Annotation)]
    assert {text.get_text() for text in names} == set(comparison.systems()["system"])
    assert not overlapping(names)


def test_a_system_of_unknown_size_has_no_place():
    figure = plots.pareto(SYSTEMS)
    assert "sizeless" not in words(figure) and "one 23.49 million, UA 61.4 (LOSO)" in figure.get_label()


# An unheard corpus


def test_what_the_paper_does_not_print_has_no_mark(figures):
    """Version 1 prints two recalls, version 2 three."""
    crosses = [line for line in points(figures["recalls"].axes[0]) if line.get_marker() in ("x", "+")]
    assert len(crosses) == 5
    happiness = EMOTIONS.index("happiness")
    assert not any(happiness - 0.5 < line.get_ydata()[0] < happiness + 0.5 for line in crosses)
    assert "anger 90%, happiness 10%, neutral 50%, sadness 30%" in figures["recalls"].get_label()


def test_speakers_are_ranked_and_marked_by_sex(figures):
    axis = figures["by_speaker"].axes[0]
    own = {line.get_label(): line for line in axis.lines}
    assert list(own["female"].get_xdata()) == [0] and list(own["male"].get_ydata()) == [0.4, 0.5]
    assert own["female"].get_marker() != own["male"].get_marker()
    assert "from 30% to 50%" in figures["by_speaker"].get_label()


def test_every_corpus_has_a_panel_of_every_measure(figures):
    titles = [axis.get_title("left") for axis in figures["voices"].axes]
    assert sorted(titles) == ["CREMA-D"] * 4 + ["RAVDESS"] * 4
    assert len(figures["voices of three corpora"].axes) == 12


def test_panels_of_a_measure_have_the_same_scale(figures):
    level = [axis for axis in figures["voices"].axes if axis.get_xlabel() == "level (dB)"][0]
    above = figures["voices"].axes[0]
    assert above.get_xlim() == level.get_xlim() and above is not level


def test_every_alignment_has_its_ua_and_four_recalls(figures):
    axis = figures["variants"].axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == list(VARIANTS.index)
    assert len(points(axis)) == 10 and len({line.get_marker() for line in points(axis)}) == 5
    assert "as it is 0.300, per speaker 0.500" in figures["variants"].get_label()


def test_arrival_runs_between_not_aligned_and_all_heard(figures):
    axis = figures["by_arrival"].axes[0]
    assert [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [NOT_ALIGNED, ALIGNED]
    assert {"not aligned", "all of the speaker heard"} <= set(words(figures["by_arrival"]))
    assert "0.310 at the first, 0.480 at the last; not aligned 0.300" in figures["by_arrival"].get_label()


def test_every_emotion_alone_is_told(figures):
    told = ", ".join(f"only {emotion} 0.250" for emotion in sorted(EMOTIONS))
    assert told in figures["unbalanced"].get_label()
    marks = [line.get_marker() for line in figures["unbalanced"].axes[0].lines if line.get_label() in EMOTIONS]
    assert len(set(marks)) == 4


def test_an_emotion_that_was_never_heard_has_no_line():
    figure = plots.unbalanced(SKEWED[SKEWED["emotion"] != "anger"], NOT_ALIGNED)
    draw(figure)
    assert "anger" not in words(figure) and "anger" not in figure.get_label()


@pytest.mark.parametrize("heard", [1, 2])
def test_few_utterances_of_a_speaker_can_be_drawn(heard):
    draw(plots.by_arrival(CURVE[:heard], NOT_ALIGNED, ALIGNED))
