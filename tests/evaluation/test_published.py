"""The expected numbers are the printed digits of the paper (arXiv 2512.23435, version 2, and 1 where it says so)."""

import pandas as pd
import pytest

from sercore import paths
from sercore.config import Experiment
from sercore.data.audio import MAX_SECONDS, PEAK, PRE_EMPHASIS, SAMPLE_RATE, TRIM_TOP_DB
from sercore.data.augment import GAIN_DB, NOISE_AMPLITUDE, PITCH_SEMITONES
from sercore.emotions import EMOTIONS
from sercore.evaluation import tables, transfer
from sercore.evaluation.published import (
    COLUMNS,
    OPEN_COLUMNS,
    PEER_COLUMNS,
    open_loso,
    open_table,
    peers,
    printed,
    published,
    published_class_weights,
    published_counts,
    published_loso,
    published_production,
    published_protocol,
    published_ravdess,
)

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
    table = published_loso()
    assert list(table.index) == list(TABLE_II)
    assert {metric: tuple(row) for metric, row in table.iterrows()} == TABLE_II


def test_printed_gains_are_the_differences_of_the_arms():
    values = published_loso().xs("value", axis=1, level=1)
    gains = published().query("table == 'II' and arm == 'gain'")["value"].to_numpy()
    assert (100 * (values["iemocap+cremad"] - values["iemocap"])).to_numpy() == pytest.approx(gains)


def test_table_one_sums_by_class_and_by_corpus():
    counts = published_counts()
    assert list(counts.columns) == [*EMOTIONS, "total"]
    assert (counts[[*EMOTIONS]].sum(axis=1) == counts["total"]).all()
    assert (counts.loc["iemocap"] + counts.loc["cremad"] == counts.loc["iemocap+cremad"]).all()
    assert counts["total"].to_dict() == {"iemocap": 5531, "cremad": 4900, "iemocap+cremad": 10431}


def test_class_weights_have_the_printed_digits():
    assert published_class_weights() == [1.065, 0.913, 0.974, 1.070]


def test_every_number_has_unit_protocol_and_source():
    assert not (published()[["unit", "protocol", "source"]] == "").any(axis=None)
    assert not published().duplicated(["table", "arm", "metric", "emotion"]).any()


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
    assert {key: printed(*key) for key in PRINTED} == PRINTED


@pytest.mark.parametrize(("metric", "emotion"), [("WA", ""), ("macro_f1", ""), ("f1", "neutral")])
def test_the_gains_of_the_text_are_those_of_table_two(metric, emotion):
    assert printed(metric, "abstract", "gain", emotion) == printed(metric, "II", "gain", emotion)


def test_what_the_text_calls_recall_of_sadness_is_the_f1_of_table_two():
    assert printed("recall", "IV-A", "gain", "sadness") == printed("f1", "II", "gain", "sadness")


def test_the_ua_of_the_text_is_that_of_table_two():
    assert printed("UA", "abstract") == pytest.approx(100 * printed("UA", "II", "iemocap+cremad"))


def test_the_production_model_has_the_printed_digits():
    assert published_production().to_dict() == {"WA": 75.48, "UA": 76.40, "hold_out": 5}


def test_ravdess_has_the_printed_digits_of_both_versions():
    table = published_ravdess()
    assert table.loc["v2"].to_dict() == {
        "accuracy": 46.64,
        "UA": 45.57,
        "recall_anger": 99,
        "recall_neutral": 55,
        "recall_sadness": 27,
    }
    assert table.loc["v1"].dropna().to_dict() == {"accuracy": 43.29, "recall_anger": 97, "recall_sadness": 64}
    assert table.loc["v1", "UA"] is None and table.loc["v1", "recall_neutral"] is None


def test_an_ambiguous_number_is_refused_with_the_choices():
    choices = r"5 printed numbers have metric 'WA'.*'II', arm 'gain'.*'V-A', arm 'production'"
    with pytest.raises(ValueError, match=choices) as caught:
        printed("WA")
    assert "\n" not in str(caught.value)


def test_a_number_that_is_not_printed_is_refused():
    with pytest.raises(ValueError, match=r"0 printed numbers have metric 'WA', table 'V-B'.*paper\.csv lists them"):
        printed("WA", table="V-B")


def test_every_peer_has_unit_protocol_and_source():
    table = peers()
    assert list(table.columns) == PEER_COLUMNS
    assert not (table[["system", "metric", "unit", "protocol", "source"]] == "").any(axis=None)
    assert not table.duplicated(["system", "metric", "corpus", "protocol"]).any()
    assert table["value"].notna().all()


def test_only_scores_have_a_corpus_and_speakers():
    scored = ~peers()["metric"].isin(["parameters", "bytes"])
    assert set(peers().loc[scored, "speakers"]) == {"unseen", "heard"}
    assert set(peers().loc[scored, "corpus"]) == {"IEMOCAP", "IEMOCAP to RAVDESS"}
    assert (peers().loc[~scored, ["corpus", "speakers"]] == "").all(axis=None)


def test_the_rows_of_the_paper_among_its_peers_repeat_the_paper():
    own = peers().query("system == 'DistilHuBERT (the paper)'").set_index(["metric", "corpus", "protocol"]).sort_index()
    loso, ravdess = published_loso()["iemocap+cremad"], published_ravdess()
    for metric in ("WA", "UA"):
        row = own.loc[(metric, "IEMOCAP")].iloc[0]
        assert [row["value"], row["spread"]] == pytest.approx((100 * loso.loc[metric]).tolist())
    for metric, version in [("accuracy", "v1"), ("accuracy", "v2"), ("UA", "v2")]:
        protocol = f"864 utterances, calm as neutral; version {version[1]}"
        assert own.loc[(metric, "IEMOCAP to RAVDESS", protocol), "value"] == ravdess.loc[version, metric]
    assert own.loc[("bytes", ""), "value"].item() == 1e6 * printed("footprint", "abstract")


def test_what_the_paper_quotes_of_its_peers_is_what_they_print():
    scores = peers().query("corpus == 'IEMOCAP' and metric == 'UA'").groupby("system")["value"].max()
    assert scores["wav2vec 2.0 Base"] == printed("UA", "IV-B", "wav2vec2")
    assert scores["LIGHT-SERNET"] == printed("UA", "IV-B", "light-sernet")


def test_the_default_experiment_is_the_papers():
    printed, default = published_protocol(), Experiment()
    steps = ["epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay", "patience"]
    for name in ["max_seconds", *steps, "gamma", "label_smoothing"]:
        assert getattr(default, name) == printed[name], name


def test_the_audio_chain_is_the_papers():
    printed = published_protocol()
    chain = ["sample_rate", "trim_top_db", "pre_emphasis", "peak", "max_seconds"]
    assert printed[chain].tolist() == [SAMPLE_RATE, TRIM_TOP_DB, PRE_EMPHASIS, PEAK, MAX_SECONDS]


def test_the_augmentation_ranges_are_the_papers():
    printed = published_protocol()
    ranges = {"gain_db": GAIN_DB, "noise_amplitude": NOISE_AMPLITUDE, "pitch_semitones": PITCH_SEMITONES}
    for name, (low, high) in ranges.items():
        assert (printed[f"{name}_min"], printed[f"{name}_max"]) == (low, high), name


def test_no_open_results_is_an_empty_table(results):
    assert open_loso().empty
    assert list(open_loso().columns) == OPEN_COLUMNS


def test_open_results_are_read(results):
    row = dict.fromkeys(OPEN_COLUMNS, 0.5) | {"arm": "ravdess", "fold": 1}
    pd.DataFrame([row]).to_csv(results / "open" / "loso.csv", index=False)
    assert open_loso().to_dict("records") == [row]


def test_missing_file_is_one_clear_line(results):
    with pytest.raises(FileNotFoundError, match=r"paper\.csv is missing; .*restore it") as caught:
        published()
    assert "\n" not in str(caught.value)


GARBLED = {
    "empty": b"",
    "not text": b"\xff\xfe\x00",
    "ragged": b"a,b\n1,2,3\n4,5,6,7\n",
    "columns missing": b"table,value\nI,1\n",
    "not a number": ",".join(COLUMNS).encode() + b"\nI,,,,x,,,,,\n",
}


@pytest.mark.parametrize("content", GARBLED.values(), ids=GARBLED)
def test_garbled_file_is_one_clear_line(results, content):
    (results / "published" / "paper.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"paper\.csv cannot be read \(.+\); .*restore it") as caught:
        published()
    assert "\n" not in str(caught.value)


def _markdown(cells: pd.DataFrame) -> str:
    lines = [["", *cells.columns], ["---"] * (1 + cells.shape[1]), *cells.reset_index().values.tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _in_readme(marker: str) -> str:
    text = (paths.PROJECT / "README.md").read_text(encoding="utf-8")
    return text.split(f"<!-- {marker} -->")[1].split(f"<!-- /{marker} -->")[0].strip()


def test_readme_shows_the_published_table():
    expected = _markdown(tables.published_table())
    assert _in_readme("published") == expected, f"put this into README.md:\n{expected}"


def test_readme_shows_the_open_alignments():
    table = open_table("alignments")
    expected = _markdown(transfer.alignments_told(table).iloc[:, :3]) if len(table) else "Not measured yet."
    assert _in_readme("transfer") == expected, f"put this into README.md:\n{expected}"


def test_readme_shows_the_open_table():
    folds = open_loso()
    expected = _markdown(tables.arms(folds)) if len(folds) else "Not measured yet."
    assert _in_readme("open") == expected, f"put this into README.md:\n{expected}"
