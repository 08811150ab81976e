"""Figures are checked for what they say: marks, labels, order, colors. How they look is for the eye."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from sercore.data import Split
from sercore.emotions import EMOTIONS
from sercore.evaluation import plots
from sercore.evaluation.metrics import score


def utterances(corpus: str, counts: tuple[int, int, int, int]) -> pd.DataFrame:
    emotions = [emotion for emotion, count in zip(EMOTIONS, counts) for _ in range(count)]
    return pd.DataFrame({"corpus": corpus, "emotion": emotions, "duration": np.linspace(1, 10, len(emotions))})


@pytest.fixture
def split():
    train = pd.concat([utterances("iemocap", (3, 5, 4, 2)), utterances("cremad", (7, 7, 6, 7))])
    return Split(train, utterances("iemocap", (1, 2, 3, 4)), utterances("iemocap", (4, 3, 2, 1)))


@pytest.fixture
def history():
    ua = [0.3, 0.5, 0.4]
    return pd.DataFrame({"epoch": [1, 2, 3], "train_loss": 1.0, "validation_loss": 1.1, "WA": 0.4, "UA": ua})


@pytest.fixture
def scored():
    truth = [*EMOTIONS, "anger", "anger", "anger"]
    return score(truth, [*EMOTIONS, "happiness", "happiness", "anger"])


@pytest.fixture
def figures(split, history, scored):
    rng = np.random.default_rng(0)
    return {
        "class_balance": plots.class_balance(split),
        "learning_curves": plots.learning_curves(history, 2),
        "confusion": plots.confusion(scored),
        "per_class_scores": plots.per_class_scores(scored),
        "spectrograms": plots.spectrograms({emotion: rng.normal(size=8000) for emotion in EMOTIONS}, 16000),
        "durations": plots.durations(split.test, 8.0),
    }


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_every_emotion_has_its_color_and_no_two_the_same_grey():
    assert list(plots.COLORS) == list(EMOTIONS)
    greys = [np.dot([0.299, 0.587, 0.114], [*bytes.fromhex(color[1:])]) for color in plots.COLORS.values()]
    assert min(abs(one - other) for i, one in enumerate(greys) for other in greys[:i]) > 10


def test_every_figure_is_seven_inches_wide_and_describes_itself(figures):
    for name, figure in figures.items():
        assert figure.get_figwidth() == plots.WIDTH, name
        assert len(figure.get_label()) > 40, name


def test_every_figure_can_be_drawn(figures):
    for figure in figures.values():
        figure.savefig(io.BytesIO(), format="png", dpi=40)


def test_letters_are_legible_on_a_phone(figures):
    """358 pixels are left for a figure on a page 390 pixels wide; nine pixels are still read."""
    for name, figure in figures.items():
        figure.savefig(io.BytesIO(), format="png", dpi=40)
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        assert min(text.get_fontsize() for text in texts) * 358 / (72 * plots.WIDTH) > 9, name


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("class_balance", ["utterances"]),
        ("learning_curves", ["focal loss", "validation score"]),
        ("confusion", ["truth", "predicted"]),
        ("spectrograms", ["time (s)", "frequency (kHz)", "level relative to the loudest point (dB)"]),
        ("durations", ["duration (s)", "over 8 s"]),
    ],
)
def test_axes_name_their_units(figures, name, units):
    assert set(units) <= set(words(figures[name]))


def test_the_permanent_corpus_is_told_apart_in_training_only(split):
    figure = plots.class_balance(split)
    train, validation, test = figure.axes
    assert {"IEMOCAP", "CREMA-D"} <= set(words(figure))
    assert [text.get_text() for text in train.texts] == ["10", "12", "10", "9"]
    assert [text.get_text() for text in validation.texts] == ["1", "2", "3", "4"]
    assert sum(bar.get_width() for bar in test.patches if bar.get_hatch()) == 0


def test_no_permanent_corpus_needs_no_key(split):
    alone = Split(split.train[split.train["corpus"] == "iemocap"], split.validation, split.test)
    assert not plots.class_balance(alone).legends


def test_the_kept_epoch_is_marked(history):
    figure = plots.learning_curves(history, 2)
    assert all([2, 2] in [list(line.get_xdata()) for line in axis.lines] for axis in figure.axes)


def test_confusion_rows_are_shares_of_the_truth(scored):
    figure = plots.confusion(scored)
    assert "50%\n2" in words(figure)
    assert "anger 50%" in figure.get_label()


def test_an_absent_emotion_has_an_empty_row():
    assert "0%\n0" in words(plots.confusion(score(["anger"], ["anger"])))


def test_same_color_for_the_same_emotion_in_every_figure(figures):
    bars = figures["class_balance"].axes[2].patches[:4]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == list(plots.COLORS.values())
    boxes = figures["durations"].axes[0].patches[:4]
    assert [to_hex(box.get_facecolor()) for box in boxes] == list(plots.COLORS.values())
    titles = [axis.title for axis in figures["spectrograms"].axes[:4]]
    assert {title.get_text(): title.get_color() for title in titles} == plots.COLORS


def test_the_share_beyond_the_cut_is_counted(split):
    table = pd.DataFrame({"emotion": ["anger", "anger", "sadness"], "duration": [7.0, 9.0, 8.0]})
    told = "Longer than 8 s: anger 50.0%, happiness 0.0%, neutral 0.0%, sadness 0.0%."
    assert told in plots.durations(table, 8.0).get_label()


def test_silence_has_a_spectrogram():
    silence = {emotion: np.zeros(8000) for emotion in EMOTIONS}
    plots.spectrograms(silence, 16000).savefig(io.BytesIO(), format="png", dpi=40)


def test_the_style_stays_inside(history):
    before = matplotlib.rcParams["font.size"]
    plots.learning_curves(history, 1)
    assert matplotlib.rcParams["font.size"] == before
