"""What the pages show, checked on a small run and on audio written for the purpose."""

import base64
import json
import re
import sys
from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from sercore import book, paths
from sercore.config import Experiment
from sercore.data import Split
from sercore.emotions import EMOTIONS
from sercore.evaluation import ablation, plots, tables
from sercore.evaluation.metrics import score
from sercore.evaluation.published import published_class_weights, published_counts, published_loso
from sercore.training import Run

TRUTH = [emotion for emotion in EMOTIONS for _ in range(3)]
ANSWERS = ["anger", "anger", "happiness", "happiness", "happiness", *["neutral"] * 4, "sadness", "neutral", "neutral"]


@pytest.fixture
def corpus(tmp_path):
    """Twelve utterances of two speakers, one second of noise each; one name needs escaping."""
    rng = np.random.default_rng(0)
    names = [f"u<{number:02}>" for number in range(len(TRUTH))]
    for number in range(len(TRUTH)):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * rng.normal(size=16000), 16000)
    table = pd.DataFrame({"utterance": names, "emotion": TRUTH, "duration": 1.0, "seconds": 0.9, "corpus": "iemocap"})
    table["path"] = [str(tmp_path / f"{number}.wav") for number in range(len(TRUTH))]
    table["session"] = [1, 2, 3] * 4
    return table.assign(speaker="Ses0" + table["session"].astype(str) + "F", sex="female")


def finished(folder, corpus, **settings) -> Run:
    """A run as `fit` leaves it."""
    (folder / "model").mkdir(parents=True)
    save_file({"layer": torch.zeros(3, 4), "bias": torch.zeros(5)}, folder / "model" / "model.safetensors")
    probabilities = np.full((len(TRUTH), 4), 0.1)
    for row, answer in enumerate(ANSWERS):
        probabilities[row, EMOTIONS.index(answer)] = 0.7 - 0.01 * row
    predictions = corpus[["utterance", "speaker"]].assign(truth=TRUTH, predicted=ANSWERS)
    predictions = predictions.assign(**dict(zip(EMOTIONS, probabilities.T)))
    history = pd.DataFrame({"epoch": [1, 2], "UA": [0.4, 0.5], "seconds": 2.5})
    where = {"device": "x86_64", "python": "3.11", "packages": {"torch": "2.13.0"}, "commit": "", "code": "abc"}
    scores = score(TRUTH, ANSWERS)
    metrics = {"test": scores, "validation": scores, "best_epoch": 2, "epochs": 2}
    return Run(folder, Experiment.from_profile("demo", **settings), where, history, predictions, metrics)


@pytest.fixture
def run(tmp_path, corpus):
    return finished(tmp_path / "run", corpus)


def cells(html) -> list[str]:
    return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", html.data, re.DOTALL)


def test_a_synthetic_corpus_makes_the_page_a_demo():
    html = book.banner(Experiment.from_profile("demo")).data
    assert "banner-demo" in html and "mean nothing" in html
    assert "banner-demo" in book.banner(Experiment.from_profile("paper", cremad_root="synthetic")).data


@pytest.mark.parametrize(("profile", "arm"), [("open", "RAVDESS + CREMA-D"), ("paper", "IEMOCAP + CREMA-D")])
def test_a_real_corpus_is_named_in_the_banner(profile, arm):
    html = book.banner(Experiment.from_profile(profile)).data
    assert f"banner-{profile}" in html and arm in html and "style=" in html


def test_a_figure_carries_its_text_alternative_and_a_picture():
    drawing = plots.confusion(score(TRUTH, ANSWERS))
    drawing.set_label('a "quoted" <text>')
    html = book.figure(drawing, "1 < 2").data
    assert 'alt="a &quot;quoted&quot; &lt;text&gt;"' in html
    assert "<figcaption>1 &lt; 2</figcaption>" in html
    assert base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])[8:12] == b"WEBP"


def test_tables_are_escaped_and_scroll():
    html = book.table(pd.DataFrame({"name": ["<script>"]}), "A & B").data
    assert "&lt;script&gt;" in html and "<script>" not in html
    assert "overflow-x: auto" in html and "A &amp; B" in html


def test_an_empty_table_is_a_sentence():
    assert book.table(pd.DataFrame(columns=["a"]), "Doubts.").data == "<p>Doubts. There are none.</p>"


def test_a_player_plays_the_utterance(corpus):
    html = book.players(corpus.head(1), ["listen", "utterance"], "Listen.").data
    sound, rate = soundfile.read(BytesIO(base64.b64decode(re.search(r"audio/mpeg;base64,([^\"]+)", html)[1])))
    assert rate == 16000 and len(sound) == pytest.approx(16000, rel=0.2)
    assert 'aria-label="u&lt;00&gt;"' in html


def test_a_player_stops_where_the_model_stops(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(20 * 16000), 16000)
    row = pd.DataFrame({"utterance": ["long"], "path": [str(tmp_path / "long.wav")]})
    html = book.players(row, ["listen"], "").data
    sound, _ = soundfile.read(BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])))
    assert len(sound) == pytest.approx(8 * 16000, rel=0.05)


def test_a_sound_that_is_in_no_file_has_a_player_and_a_caption():
    html = book.sound(np.zeros(32000, np.float32), "A <note>.").data
    sound, rate = soundfile.read(BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])))
    assert rate == 16000 and len(sound) == pytest.approx(32000, rel=0.1)
    assert 'table-caption">A &lt;note&gt;.' in html and 'aria-label="A &lt;note&gt;."' in html


def test_ten_eight_second_players_are_small(tmp_path):
    soundfile.write(tmp_path / "noise.wav", 0.3 * np.random.default_rng(0).normal(size=8 * 16000).clip(-3, 3), 16000)
    rows = pd.DataFrame({"utterance": ["noise"] * 10, "path": [str(tmp_path / "noise.wav")] * 10})
    assert len(book.players(rows, ["listen"], "").data) < 1_000_000


def test_the_most_confident_errors_come_first(run, corpus):
    html = book.most_wrong(run, Split(corpus, corpus, corpus), n=2)
    assert "2 most confident of 4 errors among 12 test utterances" in html.data
    body = [cell for cell in cells(html) if cell in EMOTIONS or cell.endswith("%")]
    assert body == ["anger", "happiness", "68%", "happiness", "neutral", "65%"]


def test_no_error_is_said(run, corpus):
    right = run.predictions[run.predictions["truth"] == run.predictions["predicted"]]
    html = book.most_wrong(replace(run, predictions=right), Split(corpus, corpus, corpus)).data
    assert "Every test utterance is recognized" in html


def test_provenance_names_what_repeats_the_run(run):
    line = book.provenance(run).data
    facts = ("profile demo", "arm iemocap+cremad", "tiny, 17 parameters", "seed 0", "2 epochs, the best 2", "5 s")
    assert [fact for fact in facts if fact not in line] == []
    assert "torch 2.13.0" in line and "commit none" in line and "code abc" in line


def test_counts_stand_beside_the_papers(corpus):
    table = tables.class_counts({"iemocap": corpus, "ravdess": corpus}, Experiment.from_profile("demo"))
    assert list(table.columns) == [("IEMOCAP", "paper"), ("IEMOCAP", "synthetic"), ("RAVDESS", "synthetic")]
    assert list(table["IEMOCAP", "paper"]) == [f"{count:,}" for count in published_counts().loc["iemocap"]]
    assert list(table["IEMOCAP", "synthetic"]) == ["3", "3", "3", "3", "12"]


def test_class_weights_stand_beside_the_papers():
    table = tables.class_weights([1, 2, 3, 4], Experiment.from_profile("open"))
    assert list(table.columns) == ["paper: IEMOCAP + CREMA-D", "data at hand: RAVDESS + CREMA-D"]
    assert [float(value) for value in table.iloc[:, 0]] == published_class_weights()


def test_sessions_count_speakers_sexes_and_emotions(corpus):
    table = tables.sessions(corpus)
    assert table.loc[1, ["speakers", "female", "male", "anger", "total"]].tolist() == [1, 4, 0, 1, 4]
    assert list(tables.stacked({"IEMOCAP": table}).columns[:3]) == ["corpus", "session", "speakers"]


def test_reasons_for_leaving_out_are_counted(corpus):
    corpus.attrs["left_out"] = {"emotion outside the four": ["a", "b", "c"], "none": []}
    assert tables.left_out({"iemocap": corpus}).values.tolist() == [["IEMOCAP", "emotion outside the four", 3, "a, b"]]


def test_nothing_doubtful_is_an_empty_table(corpus):
    empty = corpus[["utterance", "emotion"]].iloc[:0]
    assert list(tables.stacked({"IEMOCAP": empty}).columns) == ["corpus", "utterance", "emotion"]


def test_parts_name_few_speakers_and_count_many(corpus):
    many = corpus.assign(corpus="cremad", speaker=corpus.index.astype(str))
    table = tables.parts(Split(pd.concat([corpus, many]), corpus.iloc[:1], corpus.iloc[1:2]))
    assert table["part"].tolist() == ["train", "train", "validation", "test"]
    assert table["speakers"].tolist() == ["Ses01F, Ses02F, Ses03F", "12 speakers", "Ses01F", "Ses02F"]


def test_examples_are_one_per_emotion_of_one_speaker(corpus):
    chosen = tables.examples(corpus)
    assert chosen["emotion"].tolist() == list(EMOTIONS)
    assert chosen["speaker"].nunique() == 1


def test_scores_of_a_run_and_of_the_paper_have_columns_of_their_own(run, tmp_path, corpus):
    table = tables.scores(run)
    assert list(table.columns) == ["synthetic: IEMOCAP + CREMA-D, fold 1", "paper: IEMOCAP + CREMA-D, five folds"]
    assert table.loc["UA"].iloc[0] == f"{score(TRUTH, ANSWERS)['UA']:.3f}"
    alone = tables.scores(finished(tmp_path / "alone", corpus, permanent=""))
    assert list(alone.columns) == ["synthetic: IEMOCAP, fold 1", "paper: IEMOCAP, five folds"]


def test_the_published_table_has_the_printed_digits():
    html = book.published_at_a_glance()
    printed = published_loso()["iemocap+cremad"].loc["UA"]
    assert f"{printed['value']:.3f} ± {printed['spread']:.3f}" in html.data


def test_five_folds_are_averaged_with_the_sample_deviation():
    values = [0.1, 0.2, 0.3, 0.4, 0.5]
    folds = pd.DataFrame({"arm": "ravdess", "fold": range(1, 6), **{metric: values for metric in tables.METRICS}})
    column = tables.arms(folds)["RAVDESS"]
    assert column["folds"] == "1, 2, 3, 4, 5"
    assert column["UA"] == f"0.300 ± {np.std(values, ddof=1):.3f}"


def test_absent_folds_are_named():
    folds = pd.DataFrame({"arm": "ravdess", "fold": [1, 3], **dict.fromkeys(tables.METRICS, 0.5)})
    assert tables.arms(folds)["RAVDESS"]["folds"] == "1, 3 (missing: 2, 4, 5)"


def test_open_results_before_there_are_any_are_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path)
    assert book.open_at_a_glance().data.startswith("<p>")


def test_the_front_page_shows_the_runs_of_the_profile_under_their_banner(run, monkeypatch):
    monkeypatch.setattr(book, "find_runs", lambda profile: [run])
    html = book.run_at_a_glance().data
    assert "banner-demo" in html and "synthetic" in html and "1 (missing: 2, 3, 4, 5)" in html


def test_no_run_is_a_sentence(monkeypatch):
    monkeypatch.setattr(book, "find_runs", lambda profile: [])
    assert "No run of the profile" in book.run_at_a_glance().data


def test_findings_are_words(run, corpus):
    found = tables.fold_findings(run)
    assert found["error"] == "sadness taken for neutral (67% of that emotion)"
    assert (found["best"], found["worst"]) == ("anger", "sadness")
    assert (found["primary"], found["arm"]) == ("synthetic IEMOCAP", "synthetic IEMOCAP + synthetic CREMA-D")
    assert json.dumps(found)
    assert tables.corpus_findings({"iemocap": corpus}, run.experiment)["utterances"] == "12"


def test_a_perfect_run_has_no_main_error(run):
    perfect = replace(run, metrics={"test": score(TRUTH, TRUTH)})
    assert tables.fold_findings(perfect)["error"] == "there is none"


def test_glue_without_a_book_does_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    book.glue(UA="0.5")


def test_remarks_are_an_escaped_list():
    html = book.remarks(["fold 2 < 3", "no sadness"]).data
    assert re.findall("<li>(.*?)</li>", html) == ["fold 2 &lt; 3", "no sadness"]
    assert 'role="note"' in html


def test_nothing_to_remark_is_nothing_on_the_page():
    assert book.remarks([]).data == ""


def test_bold_cells_are_strong_and_still_escaped():
    frame = pd.DataFrame({"one": ["1", "<2>"], "other": ["3", "4"]}, ["a", "b"])
    bold = pd.DataFrame({"one": [False, True], "other": [True, False]}, ["a", "b"])
    html = book.table(frame, "Bold.", bold=bold).data
    assert re.findall("<td>(.*?)</td>", html) == ["1", "<strong>3</strong>", "<strong>&lt;2&gt;</strong>", "4"]


def test_numbers_can_be_bold():
    bold = pd.DataFrame({"one": [True]})
    assert "<strong>1.5</strong>" in book.table(pd.DataFrame({"one": [1.5]}), "Bold.", bold=bold).data


def test_the_rebuilt_table_prints_the_papers_bold():
    """Table II: the second arm is bold for all but UA and the F1 of sadness."""
    experiment = Experiment.from_profile("open")
    rebuilt, better = ablation.results(ablation.two_arms([], experiment), experiment)
    html = book.table(rebuilt, "Table II.", bold=better).data
    assert html.count("<strong>") == 7
    assert "<strong>0.616 ± 0.039</strong>" in html and "<strong>0.607 ± 0.021</strong>" in html


def test_too_little_for_a_figure_is_a_sentence():
    assert book.figure(None, "Gains & losses.").data == "<p>Gains &amp; losses. There is too little to show it.</p>"
