"""What the printed sizes and scores of the paper and of its peers give, from results/published alone."""

import csv

import pytest

from sercore import paths
from sercore.evaluation import comparison
from sercore.evaluation.comparison import BASELINE, COLUMNS, FROZEN, OWN, SUPERB
from sercore.evaluation.published import peers


@pytest.fixture(scope="module")
def found():
    return comparison.arithmetic()


def test_the_printed_reduction_is_one_of_bytes_and_not_of_parameters(found):
    """By hand: 1 - 23.49 / 95.04 and 1 - 23 / 318; printed: 92 % of the parameters."""
    assert found["by_parameters"] == pytest.approx(0.7528, abs=5e-5)
    assert found["by_printed_sizes"] == pytest.approx(0.9277, abs=5e-5)


def test_23_megabytes_are_one_byte_for_each_parameter(found):
    assert found["int8_bytes"] == 23.49e6
    assert found["int8_bytes"] / 2**20 == pytest.approx(22.4, abs=0.05)


def test_the_baseline_has_380_megabytes_where_318_are_printed(found):
    assert found["baseline_bytes"] / 1e6 == pytest.approx(380.16)
    assert found["baseline_bytes_each"] == pytest.approx(3.35, abs=0.005)  # neither 4 nor 2 nor 1


def test_the_share_of_the_baseline_is_of_one_normalized_by_speaker(found):
    """By hand: 61.4 / 67.2, and 61.4 / 65.8 without the speaker's statistics; printed: 91 %."""
    assert found["share"] == pytest.approx(0.914, abs=5e-4)
    assert found["share_alike"] == pytest.approx(0.933, abs=5e-4)


def test_under_one_protocol_distillation_costs_less_than_a_percent(found):
    """By hand: 63.02 / 63.43."""
    assert found["share_frozen"] == pytest.approx(0.9935, abs=5e-5)


def test_a_training_set_grows_by_more_than_the_corpora_together(found):
    """By hand: 10,431 / 5,531, and (3/5 of 5,531 + 4,900) / (3/5 of 5,531); printed: nearly doubled."""
    assert found["growth"] == pytest.approx(1.886, abs=5e-4)
    assert found["growth_of_a_fold"] == pytest.approx(2.4765, abs=5e-5)


def test_32_percent_of_the_deviation_are_54_of_the_variance(found):
    """By hand: 1 - .021 / .031 and 1 - (.021 / .031)²."""
    assert found["narrower"] == pytest.approx(0.3226, abs=5e-5)
    assert found["narrower_variance"] == pytest.approx(0.5411, abs=5e-5)


def test_footprint_sets_printed_beside_recomputed():
    table = comparison.footprint().set_index("quantity")
    assert list(table.columns) == ["printed", "recomputed", "how"]
    assert (table.loc["reduction by parameters"] == ["92%", "75.3%", "1 − 23.49M / 95.04M"]).all()
    assert (table.loc["the paper's model in 8 bits"] == ["23 MB", "23.5 MB = 22.4 MiB", "23.49M × 1 byte"]).all()
    assert table.loc["share of the baseline's UA", "recomputed"] == "91.4%"
    assert table.loc["growth of a training set, mean", "how"] == "1 + 4,900 / (3/5 × 5,531)"
    assert table.loc["fall of the standard deviation of WA", "how"] == "1 − 0.021 / 0.031"


@pytest.mark.parametrize("scores", [comparison.systems, comparison.cross_corpus])
def test_every_score_has_size_protocol_speakers_and_source(scores):
    table = scores()
    assert list(table.columns) == COLUMNS
    assert set(table["metric"]) <= {"WA", "UA", "accuracy"} and table["value"].between(0, 100).all()
    assert (table["parameters"] > 0).all() and table["parameters"].dtype == int
    assert set(table["speakers"]) <= {"unseen", "heard"}
    assert not (table[["protocol", "source"]] == "").any(axis=None)


def test_sizes_alone_are_no_score():
    assert "Wav2Small" in set(peers()["system"])
    assert "Wav2Small" not in set(comparison.systems()["system"])


def test_the_only_smaller_system_prints_more_and_has_heard_its_speakers():
    table = comparison.systems()
    smaller = table[table["parameters"] < table.loc[table["system"] == OWN, "parameters"].iloc[0]]
    assert set(smaller["system"]) == {"LIGHT-SERNET"} and set(smaller["speakers"]) == {"heard"}
    assert smaller["value"].min() > table.loc[table["system"] == OWN, "value"].max()
    assert set(table.loc[table["system"] != "LIGHT-SERNET", "speakers"]) == {"unseen"}


def test_within_superb_no_model_is_smaller_and_better_than_the_distilled_one():
    table = comparison.systems().query("protocol == @SUPERB").set_index("system")
    assert {FROZEN, BASELINE} <= set(table.index)
    assert table["parameters"].idxmin() == FROZEN
    assert table.loc[FROZEN, "value"] > comparison.systems().query("system == @OWN and metric == 'WA'")["value"].item()


def test_no_protocol_but_superbs_has_the_papers_size_and_another():
    sizes = comparison.systems().groupby("protocol")
    own = sizes["parameters"].agg(lambda column: 23490000 in set(column) and column.nunique() > 1)
    assert list(own[own].index) == [SUPERB]


def test_the_second_version_is_above_the_frozen_models_under_either_direction():
    table = comparison.cross_corpus().query("metric == 'accuracy'")
    own = table[table["system"] == OWN].set_index("protocol")["value"]
    others = table[table["system"] != OWN]
    assert others.groupby("protocol").size().tolist() == [4, 4]
    assert own.max() == 46.64 > others["value"].max() > own.min() == 43.29


def test_text_has_the_digits_of_the_file():
    with (paths.results_root() / "published" / "peers.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == "IEMOCAP"]
    expected = [f"{row['metric']} {row['value']}" + f" ± {row['spread']}" * bool(row["spread"]) for row in rows]
    assert comparison.told(comparison.systems())["score (%)"].tolist() == expected


def test_findings_are_text_without_gaps():
    found = comparison.findings()
    assert all(isinstance(value, str) and value and "nan" not in value for value in found.values())
    assert found["by_parameters"] == "75.3%" and found["UA"] == "61.4%" and found["light_parameters"] == "462,468"
