"""The expected numbers are the printed digits of the paper (arXiv 2512.23435, version 2, and 1 where it says so)."""

import pandas as pd
import pytest

from sercore import paths
from sercore.audio_files import SAMPLE_RATE
from sercore.data.augmentation import GAIN_DB, NOISE_AMPLITUDE, PITCH_SEMITONES
from sercore.data.preprocessing import MAX_SECONDS, PEAK, PRE_EMPHASIS, TRIM_TOP_DB
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.page import METRICS, format_arm, read_loso, read_number, read_open, read_paper, read_peers

TABLE_II = {
    "WA": (0.595, 0.031, 0.607, 0.021),
    "UA": (0.616, 0.039, 0.614, 0.030),
    "macro_f1": (0.596, 0.040, 0.610, 0.028),
    "f1_anger": (0.684, 0.029, 0.692, 0.040),
    "f1_happiness": (0.541, 0.080, 0.563, 0.073),
    "f1_neutral": (0.512, 0.059, 0.566, 0.029),
    "f1_sadness": (0.647, 0.044, 0.618, 0.034),
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty results folder in place of the committed one."""
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path)
    (tmp_path / "published").mkdir()
    (tmp_path / "open").mkdir()
    return tmp_path


def test_table_two_has_the_printed_digits():
    table = read_loso()
    assert list(table.index) == list(TABLE_II)
    assert {metric: tuple(row) for metric, row in table.iterrows()} == TABLE_II


def test_printed_gains_are_the_differences_of_the_arms():
    values = read_loso().xs("value", axis=1, level=1)
    gains = read_paper().query("table == 'II' and arm == 'gain'")["value"].to_numpy()
    assert (100 * (values["iemocap+cremad"] - values["iemocap"])).to_numpy() == pytest.approx(gains)


def test_table_one_sums_by_class_and_by_corpus():
    counts = (
        read_paper().query("table == 'I' and metric == 'utterances'").pivot(index="arm", columns="emotion")["value"]
    )
    assert (counts[[*EMOTIONS]].sum(axis=1) == counts[""]).all()
    assert (counts.loc["iemocap"] + counts.loc["cremad"] == counts.loc["iemocap+cremad"]).all()
    assert counts[""].to_dict() == {"iemocap": 5531, "cremad": 4900, "iemocap+cremad": 10431}


def test_class_weights_have_the_printed_digits():
    printed = {"anger": 1.065, "happiness": 0.913, "neutral": 0.974, "sadness": 1.070}
    assert read_paper().query("metric == 'class_weight'").set_index("emotion")["value"].to_dict() == printed


def test_every_number_has_unit_protocol_and_source():
    assert not (read_paper()[["unit", "protocol", "source"]] == "").any(axis=None)
    assert not read_paper().duplicated(["table", "arm", "metric", "emotion"]).any()


PRINTED = {
    ("parameter_reduction", "abstract", "iemocap+cremad", ""): 92,
    ("footprint", "abstract", "iemocap+cremad", ""): 23,
    ("footprint", "IV-B", "wav2vec2", ""): 318,
    ("UA", "abstract", "iemocap+cremad", ""): 61.4,
    ("UA", "IV-B", "wav2vec2", ""): 67.2,
    ("UA", "IV-B", "light-sernet", ""): 70.76,
    ("share_of_baseline", "abstract", "iemocap+cremad", ""): 91,
    ("WA", "abstract", "gain", ""): 1.2,
    ("macro_f1", "abstract", "gain", ""): 1.4,
    ("f1", "abstract", "gain", "neutral"): 5.4,
    ("recall", "IV-A", "gain", "sadness"): -2.9,
    ("variance_reduction", "abstract", "gain", ""): 32,
    ("training_growth", "IV-A", "gain", ""): 2,
    ("speakers", "IV-A", "cremad", ""): 91,
    ("window", "V-C", "voice_note", ""): 8,
}


def test_the_text_has_the_printed_digits():
    assert {key: read_number(*key) for key in PRINTED} == PRINTED


@pytest.mark.parametrize(("metric", "emotion"), [("WA", ""), ("macro_f1", ""), ("f1", "neutral")])
def test_the_gains_of_the_text_are_those_of_table_two(metric, emotion):
    assert read_number(metric, "abstract", "gain", emotion) == read_number(metric, "II", "gain", emotion)


def test_what_the_text_calls_recall_of_sadness_is_the_f1_of_table_two():
    assert read_number("recall", "IV-A", "gain", "sadness") == read_number("f1", "II", "gain", "sadness")


def test_the_ua_of_the_text_is_that_of_table_two():
    assert read_number("UA", "abstract") == pytest.approx(100 * read_number("UA", "II", "iemocap+cremad"))


def test_the_production_model_has_the_printed_digits():
    assert [read_number(metric, "V-A") for metric in ("WA", "UA", "hold_out")] == [75.48, 76.40, 5]


def test_ravdess_has_the_printed_digits_of_both_versions():
    values = read_paper().set_index(["table", "metric", "emotion"])["value"]
    recalls = {("recall", "anger"): 99, ("recall", "neutral"): 55, ("recall", "sadness"): 27}
    assert values["V-B"].to_dict() == {("accuracy", ""): 46.64, ("UA", ""): 45.57, **recalls}
    recalls = {("recall", "anger"): 97, ("recall", "sadness"): 64}
    assert values["v1 abstract"].to_dict() == {("accuracy", ""): 43.29, **recalls}


def test_an_ambiguous_number_is_refused():
    with pytest.raises(ValueError, match="5 printed numbers have metric 'WA'") as caught:
        read_number("WA")
    assert "\n" not in str(caught.value)


def test_a_number_that_is_not_printed_is_refused():
    with pytest.raises(ValueError, match=r"0 printed numbers have metric 'WA', table 'V-B'.*paper\.csv lists them"):
        read_number("WA", table="V-B")


def test_every_peer_has_unit_protocol_and_source():
    table = read_peers()
    assert not (table[["system", "metric", "unit", "protocol", "source"]] == "").any(axis=None)
    assert not table.duplicated(["system", "metric", "corpus", "protocol"]).any()
    assert table["value"].notna().all()


def test_only_scores_have_a_corpus_and_speakers():
    scored = ~read_peers()["metric"].isin(["parameters", "bytes"])
    assert set(read_peers().loc[scored, "speakers"]) == {"unseen", "heard"}
    assert set(read_peers().loc[scored, "corpus"]) == {"IEMOCAP", "IEMOCAP to RAVDESS"}
    assert (read_peers().loc[~scored, ["corpus", "speakers"]] == "").all(axis=None)


def test_the_rows_of_the_paper_among_its_peers_repeat_the_paper():
    own = (
        read_peers()
        .query("system == 'DistilHuBERT (the paper)'")
        .set_index(["metric", "corpus", "protocol"])
        .sort_index()
    )
    loso = read_loso()["iemocap+cremad"]
    for metric in ("WA", "UA"):
        row = own.loc[(metric, "IEMOCAP")].iloc[0]
        assert [row["value"], row["spread"]] == pytest.approx((100 * loso.loc[metric]).tolist())
    for metric, table, version in [("accuracy", "v1 abstract", 1), ("accuracy", "V-B", 2), ("UA", "V-B", 2)]:
        protocol = f"864 utterances, calm as neutral; version {version}"
        assert own.loc[(metric, "IEMOCAP to RAVDESS", protocol), "value"] == read_number(metric, table)
    assert own.loc[("bytes", ""), "value"].item() == 1e6 * read_number("footprint", "abstract")


def test_what_the_paper_quotes_of_its_peers_is_what_they_print():
    scores = read_peers().query("corpus == 'IEMOCAP' and metric == 'UA'").groupby("system")["value"].max()
    assert scores["wav2vec 2.0 Base"] == read_number("UA", "IV-B", "wav2vec2")
    assert scores["LIGHT-SERNET"] == read_number("UA", "IV-B", "light-sernet")


@pytest.fixture(scope="module")
def printed():
    """The constants of the method that the paper prints (sections III-A to III-D), by name."""
    return pd.read_csv(paths.results_root() / "published/protocol.csv").set_index("name")["value"]


def test_the_default_experiment_is_the_papers(printed):
    default = Experiment()
    steps = ["epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay", "patience"]
    for name in ["max_seconds", *steps, "gamma", "label_smoothing"]:
        assert getattr(default, name) == printed[name], name


def test_the_audio_chain_is_the_papers(printed):
    chain = ["sample_rate", "trim_top_db", "pre_emphasis", "peak", "max_seconds"]
    assert printed[chain].tolist() == [SAMPLE_RATE, TRIM_TOP_DB, PRE_EMPHASIS, PEAK, MAX_SECONDS]


def test_the_augmentation_ranges_are_the_papers(printed):
    ranges = {"gain_db": GAIN_DB, "noise_amplitude": NOISE_AMPLITUDE, "pitch_semitones": PITCH_SEMITONES}
    for name, (low, high) in ranges.items():
        assert (printed[f"{name}_min"], printed[f"{name}_max"]) == (low, high), name


def test_a_table_that_was_not_measured_yet_is_empty(results):
    assert read_open("loso").empty


def test_a_recorded_table_is_read(results):
    row = {"arm": "ravdess", "fold": 1, "UA": 0.5}
    pd.DataFrame([row]).to_csv(results / "open" / "loso.csv", index=False)
    assert read_open("loso").to_dict("records") == [row]


def test_missing_file_is_one_clear_line(results):
    with pytest.raises(FileNotFoundError, match=r"paper\.csv is missing; .*restore it") as caught:
        read_paper()
    assert "\n" not in str(caught.value)


GARBLED = {
    "empty": b"",
    "not text": b"\xff\xfe\x00",
    "ragged": b"a,b\n1,2,3\n4,5,6,7\n",
    "columns missing": b"table,value\nI,1\n",
    "not a number": b"table,arm,metric,emotion,value,spread,unit,protocol,source,note\nI,,,,x,,,,,\n",
}


@pytest.mark.parametrize("content", GARBLED.values(), ids=GARBLED)
def test_garbled_file_is_one_clear_line(results, content):
    (results / "published" / "paper.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"paper\.csv cannot be read \(.+\); .*restore it") as caught:
        read_paper()
    assert "\n" not in str(caught.value)


def test_readme_shows_the_published_table():
    text = (paths.PROJECT / "README.md").read_text(encoding="utf-8")
    shown = text.split("<!-- published -->")[1].split("<!-- /published -->")[0]
    paper = read_loso()
    arms = paper.columns.get_level_values(0).unique()
    assert " | ".join(map(format_arm, arms)) in shown
    for metric, row in paper.iterrows():
        cells = " | ".join(f"{row[arm, 'value']:.3f} ± {row[arm, 'spread']:.3f}" for arm in arms)
        assert f"| {METRICS[metric]} | {cells} |" in shown
