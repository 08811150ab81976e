"""What the pages show: text alternatives, escaped tables, players that play, numbers for the prose."""

import base64
import re
import sys
from io import BytesIO
from types import SimpleNamespace

import matplotlib.pyplot as plt
import myst_nb
import numpy as np
import pandas as pd
import pytest
import soundfile

from sercore.experiment import Experiment
from sercore.page import (
    check_utterances,
    find_file,
    format_arm,
    format_origin,
    glue,
    measure_table,
    read_open,
    set_style,
    show_audio,
    show_banner,
    show_figure,
    show_players,
    show_table,
    stack,
    tables_root,
)
from sercore.paths import runs_root


def played(html) -> np.ndarray:
    """The samples of the first player."""
    return soundfile.read(BytesIO(base64.b64decode(re.search(r"audio/mpeg;base64,([^\"]+)", html.data)[1])))[0]


def cells(html) -> list[str]:
    return [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", html.data, re.DOTALL)]


def test_synthetic_corpora_make_the_page_a_demo():
    html = show_banner(Experiment.from_profile("demo")).data
    assert "banner-demo" in html and "mean nothing" in html
    assert "banner-demo" in show_banner(Experiment.from_profile("paper", synthetic=True)).data


@pytest.mark.parametrize(("profile", "arm"), [("open", "RAVDESS + CREMA-D"), ("paper", "IEMOCAP + CREMA-D")])
def test_real_corpora_are_named_in_the_banner(profile, arm):
    html = show_banner(Experiment.from_profile(profile)).data
    assert f"banner-{profile}" in html and arm in html


def test_an_arm_is_named_as_a_reader_knows_it():
    assert format_arm("iemocap+cremad") == "IEMOCAP + CREMA-D"
    assert format_origin(Experiment.from_profile("demo")) == "synthetic"


def test_a_figure_has_its_text_alternative_and_a_picture():
    set_style()
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    html = show_figure(figure, "1 < 2", 'a "quoted" <text>').data
    assert 'alt="a &quot;quoted&quot; &lt;text&gt;"' in html
    assert "<figcaption>1 &lt; 2</figcaption>" in html
    assert base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])[8:12] == b"WEBP"
    assert not plt.get_fignums()  # closed, else a notebook would show it twice


def test_axes_are_shown_as_their_figure():
    assert "<img" in show_figure(plt.subplots()[1], "Axes.").data


def test_too_little_for_a_figure_is_a_sentence():
    assert show_figure(None, "Gains & losses.").data == "<p>Gains &amp; losses. There is too little to show it.</p>"


def test_a_long_table_folds():
    short, long = (show_table(pd.DataFrame({"n": range(rows)}), "Numbers.").data for rows in (10, 11))
    assert "<details>" not in short
    assert long.startswith("<details><summary>Numbers. (11 rows)</summary>") and long.endswith("</details>")


def test_predictions_of_other_utterances_are_refused():
    predictions = pd.DataFrame({"utterance": ["a", "b"], "speaker": ["1", "1"], "y_true": ["anger", "neutral"]})
    run = SimpleNamespace(experiment=EXPERIMENT, predictions=predictions)
    same = predictions.rename(columns={"y_true": "emotion"})
    check_utterances(run, same)
    for other in (same[:1], same.assign(emotion="anger"), same.assign(speaker="2")):
        with pytest.raises(ValueError, match=r"of its predictions, such as [ab], are not so"):
            check_utterances(run, other)


def test_tables_are_escaped_and_scroll():
    html = show_table(pd.DataFrame({"name <b>": ["<script>"]}, ["<i>"]), "A & B").data
    assert "&lt;script&gt;" in html and "&lt;b&gt;" in html and "&lt;i&gt;" in html
    assert "overflow-x: auto" in html and "A &amp; B" in html


def test_numbers_are_formatted_and_absent_ones_are_dashes():
    frame = pd.DataFrame({"UA": [0.12345, np.nan], "n": [1234, 5]})
    assert cells(show_table(frame, "", {"UA": "{:.2f}", "n": "{:,}"}, index=False)) == ["0.12", "1,234", "–", "5"]
    assert cells(show_table(frame, "", index=False)) == ["0.123", "1,234", "–", "5"]


def test_an_empty_table_is_a_sentence():
    assert show_table(pd.DataFrame(columns=["a"]), "Doubts.").data == "<p>Doubts. There are none.</p>"


def test_marked_cells_are_bold():
    frame = pd.DataFrame({"one": [1.0, 2.0], "other": [3.0, 4.0]}, ["a", "b"])
    html = show_table(frame, "", bold=frame == 4.0).data
    assert html.count("font-weight: bold") == 1


def test_a_player_plays_the_utterance_and_stops_where_the_model_stops(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(20 * 16000), 16000)
    row = pd.DataFrame({"utterance": ["u<0>"], "path": [str(tmp_path / "long.wav")]})
    html = show_players(row, ["listen", "utterance"], "Listen.")
    assert len(played(html)) == pytest.approx(8 * 16000, rel=0.05)
    assert 'aria-label="u&lt;0&gt;"' in html.data and cells(html)[1] == "u&lt;0&gt;"


def test_without_the_corpus_a_table_has_no_players():
    row = pd.DataFrame({"utterance": ["u"], "path": [""]})
    assert cells(show_players(row, ["listen", "utterance"], "Listen.")) == ["u"]


EXPERIMENT = Experiment(profile="open", primary="ravdess", permanent="")


def test_what_is_measured_is_kept_for_the_record():
    table = pd.DataFrame({"a": [1, 2]})
    assert measure_table(EXPERIMENT, "made_up", lambda: table) is table
    assert (runs_root() / "open/tables/made_up.csv").read_text() == "a\n1\n2\n"


def test_what_is_not_measured_here_is_as_recorded():
    pd.testing.assert_frame_equal(measure_table(EXPERIMENT, "leak", None), read_open("leak"))
    with pytest.raises(FileNotFoundError, match=r"^made_up is not recorded in results/open, and measuring it needs"):
        measure_table(EXPERIMENT, "made_up", None)


def test_a_kept_figure_is_shown_from_its_file():
    file = tables_root(EXPERIMENT) / "made_up.webp"
    assert file == runs_root() / "open/tables/made_up.webp"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a picture")
    html = show_figure(file, "A <figure>.").data
    assert base64.b64encode(file.read_bytes()).decode() in html and "A &lt;figure&gt;." in html


def test_a_figure_that_is_not_recorded_is_a_sentence():
    assert find_file(EXPERIMENT, "made_up.webp") is None
    assert show_figure(None, "Drawn.").data == "<p>Drawn. There is too little to show it.</p>"


def test_a_sound_that_is_in_no_file_has_a_player_and_a_caption():
    html = show_audio(np.zeros(32000, np.float32), "A <note>.")
    assert len(played(html)) == pytest.approx(32000, rel=0.1)
    assert "A &lt;note&gt;." in html.data


def test_parts_are_stacked_in_their_order():
    html = stack(show_figure(None, "One."), show_figure(None, "Two.")).data
    assert html.index("One.") < html.index("Two.")


def test_glue_hands_over_plain_numbers(monkeypatch):
    handed = {}
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: handed.update({name: value}))
    glue(UA=np.float64(0.5), n=np.int64(3), emotion="anger")
    assert handed == {"UA": 0.5, "n": 3, "emotion": "anger"} and type(handed["UA"]) is float


def test_glue_without_a_book_does_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    glue(UA=0.5)
