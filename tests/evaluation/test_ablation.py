"""Two arms over the same folds, on made-up runs: what may stand in one table, and what the table says."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from sercore import paths
from sercore.config import FOLDS, Experiment
from sercore.emotions import EMOTIONS
from sercore.evaluation import ablation
from sercore.evaluation.metrics import score
from sercore.evaluation.published import published, published_loso
from sercore.evaluation.statistics import t_critical
from sercore.evaluation.tables import METRICS
from sercore.training import Run

pytestmark = pytest.mark.filterwarnings("error")

OPEN = Experiment.from_profile("open")
ALONE, BOTH = "ravdess", "ravdess+cremad"
TITLES = ["RAVDESS", "RAVDESS + CREMA-D", "gain (points)"]
PAPER = [("paper", title) for title in ("IEMOCAP", "IEMOCAP + CREMA-D", "gain (points)")]
HERE = [("measured here", title) for title in TITLES]


def answered(run: Run, answers) -> Run:
    predictions = run.predictions.assign(predicted=answers)
    return replace(run, predictions=predictions, metrics={"test": score(predictions["truth"], answers)})


@cache
def made(permanent="", fold=1, emotions=EMOTIONS, code="abc", profile="open", **settings) -> Run:
    """A finished run: forty utterances of a session's two speakers, the same in either arm; most answers are right."""
    experiment = Experiment.from_profile(profile, permanent=permanent, fold=fold, **settings)
    truth = np.tile(emotions, 40 // len(emotions))
    rng = np.random.default_rng([fold, len(permanent)])
    names = [f"{fold}-{number}" for number in range(len(truth))]
    speakers = [f"{fold}{'FM'[number % 7 > 3]}" for number in range(len(truth))]
    predictions = pd.DataFrame({"utterance": names, "speaker": speakers, "truth": truth})
    run = Run(Path(experiment.name), experiment, {"code": code}, pd.DataFrame(), predictions, {})
    return answered(run, np.where(rng.random(len(truth)) < 0.6, truth, rng.choice(EMOTIONS, len(truth))))


def arms(alone=FOLDS, both=FOLDS, **given) -> dict[str, list]:
    runs = [made("", fold, **given) for fold in alone] + [made("cremad", fold, **given) for fold in both]
    return ablation.two_arms(runs, OPEN)


@pytest.fixture(scope="module")
def chosen():
    return arms()


@pytest.fixture(scope="module")
def nothing():
    return arms((), ())


def cells(table: pd.DataFrame) -> list[str]:
    return [str(cell) for cell in table.to_numpy().ravel()]


def gaps(table: pd.DataFrame) -> list[str]:
    """What should be no number, or a dash."""
    return [cell for cell in cells(table) if any(word in cell.lower() for word in ("nan", "none", "inf"))]


# Which runs belong in one table


def test_runs_go_to_their_arm_in_the_order_of_the_folds():
    runs = [made("cremad", 2), made("", 3), made("cremad", 1), made("", 1)]
    chosen = ablation.two_arms(runs, OPEN)
    assert {name: [run.experiment.fold for run in own] for name, own in chosen.items()} == {ALONE: [1, 3], BOTH: [1, 2]}


def test_other_arms_are_left_out():
    others = [made(primary="cremad"), made("ravdess", primary="iemocap"), made("iemocap")]
    assert ablation.two_arms(others, OPEN) == {ALONE: [], BOTH: []}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seed": 1}, "seed is 0 and 1"),
        ({"epochs": 2}, "epochs is 8 and 2"),
        ({"augment": False}, "augment is True and False"),
        ({"calm": "exclude"}, "calm is 'neutral' and 'exclude'"),
        ({"profile": "demo", "primary": "ravdess"}, "profile is 'open' and 'demo'"),
        ({"profile": "paper", "primary": "ravdess"}, "backbone is 'small' and 'ntu-spml/distilhubert'"),
    ],
)
@pytest.mark.parametrize("permanent", ["", "cremad"])
def test_runs_that_differ_in_more_than_arm_and_fold_are_one_clear_line(permanent, settings, told):
    with pytest.raises(ValueError, match=f"do not belong in one table: .*{told}") as caught:
        ablation.two_arms([made(), made(permanent, 2, **settings)], OPEN)
    assert "\n" not in str(caught.value)


def test_a_production_model_is_no_fold():
    runs = [made(profile="demo"), made("cremad", profile="demo", split="random")]
    with pytest.raises(ValueError, match="split is 'loso' and 'random'"):
        ablation.two_arms(runs, Experiment.from_profile("demo"))


def test_a_corpus_that_has_moved_does_not_matter():
    runs = [made(), made("cremad", ravdess_root="/elsewhere", workers=4)]
    assert list(map(len, ablation.two_arms(runs, OPEN).values())) == [1, 1]


def test_the_same_fold_twice_is_refused():
    with pytest.raises(ValueError, match=r"^fold 2 of ravdess\+cremad is there twice; keep one of the two runs\.$"):
        arms((1, 2), (1, 2, 2))


def test_without_a_permanent_corpus_there_are_no_two_arms():
    with pytest.raises(ValueError, match="^permanent is ''; .* name the corpus") as caught:
        ablation.two_arms([made()], Experiment.from_profile("open", permanent=""))
    assert "\n" not in str(caught.value)


# What a reader must know before the table


def test_whole_arms_need_no_remark(chosen):
    assert ablation.remarks(chosen) == []


def test_absent_folds_are_named():
    assert ablation.remarks(arms(both=(2, 4, 5))) == ["RAVDESS + CREMA-D: no mean holds fold 1, 3 (not finished)."]


def test_an_arm_without_a_fold_is_said(nothing):
    assert ablation.remarks(nothing) == ["RAVDESS: no fold is finished.", "RAVDESS + CREMA-D: no fold is finished."]


def test_different_code_is_said(chosen):
    other = chosen | {BOTH: [*chosen[BOTH][:4], made("cremad", 5, code="xyz")]}
    assert ablation.remarks(other) == ["The runs were made by 2 versions of the code (abc, xyz)."]


def test_an_emotion_that_a_test_part_lacks_is_said(chosen):
    lacking = chosen | {ALONE: [*chosen[ALONE][:4], made("", 5, EMOTIONS[:2])]}
    told = [f"ravdess-fold5: no {name} in the test part, so no F1 of it." for name in ("neutral", "sadness")]
    assert ablation.remarks(lacking) == told


def test_a_model_that_always_gives_one_answer_is_said(chosen):
    stuck = chosen | {ALONE: [answered(chosen[ALONE][0], ["neutral"] * 40), *chosen[ALONE][1:]]}
    assert ablation.remarks(stuck) == ["ravdess-fold1: every utterance is called neutral."]


# Table II


def test_before_any_run_the_papers_columns_stand_alone(nothing):
    table, better = ablation.results(nothing, OPEN)
    assert list(table.columns) == list(better.columns) == PAPER
    assert list(table.index) == list(METRICS.values())


def test_one_arm_alone_is_no_comparison():
    assert list(ablation.results(arms(both=()), OPEN)[0].columns) == PAPER


def test_the_papers_columns_have_the_printed_digits(nothing):
    table, _ = ablation.results(nothing, OPEN)
    assert table.loc["UA"].tolist() == ["0.616 ± 0.039", "0.614 ± 0.030", "-0.2"]
    gains = published().query("table == 'II' and arm == 'gain'")["value"]
    assert [float(gain) for gain in table[PAPER[2]]] == gains.tolist()


def test_what_the_paper_prints_in_bold_is_bold(nothing):
    """Table II: the second arm for all but UA and the F1 of sadness."""
    _, better = ablation.results(nothing, OPEN)
    alone = ["UA", "F1 sadness"]
    assert better.index[better[PAPER[0]]].tolist() == alone
    assert better.index[better[PAPER[1]]].tolist() == [name for name in METRICS.values() if name not in alone]
    assert not better[PAPER[2]].any()


def test_own_columns_are_mean_and_sample_deviation_over_the_folds(chosen):
    table, better = ablation.results(chosen, OPEN)
    ua = {name: [run.metrics["test"]["UA"] for run in own] for name, own in chosen.items()}
    one, other = (np.mean(ua[name]) for name in (ALONE, BOTH))
    told = [f"{np.mean(own):.3f} ± {np.std(own, ddof=1):.3f}" for own in ua.values()]
    assert list(table.columns) == [*PAPER, *HERE]
    assert table.loc["UA", HERE].tolist() == [*told, f"{100 * (other - one):+.1f}"]
    assert better.loc["UA", HERE].tolist() == [one > other, other > one, False]


def test_synthetic_corpora_are_called_synthetic():
    demo = Experiment.from_profile("demo")
    runs = [made(permanent, profile="demo") for permanent in ("", "cremad")]
    table, _ = ablation.results(ablation.two_arms(runs, demo), demo)
    assert list(table.columns.get_level_values(0).unique()) == ["paper", "synthetic"]


def test_equal_scores_are_not_bold():
    _, better = ablation.results(alike(), OPEN)
    assert not better[HERE].any(axis=None)


def test_one_fold_has_no_spread():
    table, _ = ablation.results(arms((3,), (3,)), OPEN)
    assert not gaps(table)
    assert not any("±" in cell for cell in cells(table[HERE]))


def test_the_f1_of_an_emotion_that_no_fold_holds_is_a_dash():
    table, better = ablation.results(arms(emotions=EMOTIONS[:2]), OPEN)
    assert not gaps(table)
    assert set(table.loc["F1 sadness", HERE]) == {"–"} and not better.loc["F1 sadness", HERE].any()


def test_an_f1_is_the_mean_of_the_folds_that_hold_the_emotion(chosen):
    lacking = {name: [made(own[0].experiment.permanent, 1, EMOTIONS[:2]), *own[1:]] for name, own in chosen.items()}
    table, _ = ablation.results(lacking, OPEN)
    f1 = [run.metrics["test"]["per_class"]["sadness"]["f1"] for run in chosen[ALONE][1:]]
    assert table.loc["F1 sadness", HERE[0]] == f"{np.mean(f1):.3f} ± {np.std(f1, ddof=1):.3f}"


# Tests over the common folds


def test_only_folds_of_both_arms_are_compared():
    assert ablation.common_folds(arms((1, 2, 4), (2, 4, 5))) == [2, 4]
    assert ablation.paired_scores(arms((1, 2, 4), (2, 4, 5)))["fold"].tolist() == [2, 4, 2, 4]


def test_the_paired_t_is_the_mean_gain_over_its_standard_error(chosen):
    ua = [[run.metrics["test"]["UA"] for run in chosen[name]] for name in (ALONE, BOTH)]
    gain = np.subtract(ua[1], ua[0])
    row = ablation.tests(chosen).loc["UA"]
    assert row["gain (points)"] == f"{100 * gain.mean():+.1f}"
    assert row["spread of the gain"] == f"{100 * gain.std(ddof=1):.1f}"
    assert row["t"] == f"{gain.mean() / (gain.std(ddof=1) / np.sqrt(5)):.2f}"


def test_spreads_are_those_of_the_common_folds():
    table = ablation.spreads(arms((1, 2, 3, 5), (1, 2, 3)))
    ua = [made("", fold).metrics["test"]["UA"] for fold in (1, 2, 3)]
    assert table.loc["UA", "RAVDESS"] == f"{np.std(ua, ddof=1):.3f}"


@pytest.mark.parametrize("tested", [ablation.tests, ablation.spreads])
def test_where_everything_is_defined_there_is_no_remark(chosen, tested):
    table = tested(chosen)
    assert list(table.index) == list(METRICS.values()) and "remark" not in table and not gaps(table)


@pytest.mark.parametrize("tested", [ablation.tests, ablation.spreads])
def test_one_fold_has_no_test_and_says_so(tested):
    table = tested(arms((2,), (2, 3)))
    assert not gaps(table) and table["remark"].str.startswith("One fold: there is no spread").all()
    assert set(cells(table.filter(regex="^(t|p|F)"))) == {"–"}


@pytest.mark.parametrize("tested", [ablation.tests, ablation.spreads])
def test_a_score_that_a_fold_lacks_is_not_tested(chosen, tested):
    lacking = {name: [made(own[0].experiment.permanent, 1, EMOTIONS[:2]), *own[1:]] for name, own in chosen.items()}
    assert list(tested(lacking).index) == ["WA", "UA", "macro F1", "F1 anger", "F1 happiness"]


@pytest.mark.parametrize("table", ["tests", "spreads", "paired_scores", "pooled", "discordant"])
@pytest.mark.parametrize("folds", [((), ()), ((1,), (2,))], ids=["no run", "no common fold"])
def test_without_a_common_fold_every_table_is_empty(table, folds):
    assert getattr(ablation, table)(arms(*folds)).empty


# Pooled over the common folds


def test_pooled_scores_are_those_of_all_utterances_of_the_common_folds():
    found = ablation.pooled(arms((1, 2, 4), (2, 4, 5)), draws=50)
    truths = pd.concat([made("cremad", fold).predictions for fold in (2, 4)])
    assert found.loc["WA", "other"] == (truths["truth"] == truths["predicted"]).mean()
    assert found.attrs["speakers"] == 4
    assert list(found.index) == list(METRICS)


def alike() -> dict[str, list]:
    """Both arms give the same answers."""
    runs = [made("", fold) for fold in FOLDS]
    others = [answered(made("cremad", run.experiment.fold), run.predictions["predicted"]) for run in runs]
    return ablation.two_arms(runs + others, OPEN)


def test_equal_answers_gain_exactly_nothing():
    found = ablation.pooled(alike(), draws=200)
    assert (found[["gain", "gain_low", "gain_high"]] == 0).all(axis=None)
    assert set(ablation.intervals(found, *TITLES[:2])["difference (points)"]) == {"+0.0 [+0.0, +0.0]"}


def test_equal_answers_have_no_test():
    table = ablation.tests(alike())
    assert not gaps(table) and set(table["t"]) == {"–"}
    assert table["remark"].str.startswith("The gain is the same in every fold: it is 0").all()


def test_discordant_utterances_are_those_that_one_arm_alone_gets_right():
    """By counting, and the sign test that McNemar's is."""
    chosen = arms((1, 2, 4), (2, 4, 5))
    common = [[run.predictions for run in own if run.experiment.fold in (2, 4)] for own in chosen.values()]
    hits, others = (own["truth"].to_numpy() == own["predicted"].to_numpy() for own in map(pd.concat, common))
    counts = int((hits & ~others).sum()), int((others & ~hits).sum())
    row = ablation.discordant(chosen).iloc[0]
    assert row.index.tolist() == ["only RAVDESS right", "only RAVDESS + CREMA-D right", "p"]
    assert row.tolist() == [*counts, f"{binomtest(counts[0], sum(counts)).pvalue:.3f}"]


def test_arms_that_are_right_alike_have_no_mcnemar_and_it_is_said():
    table = ablation.discordant(alike())
    assert table.iloc[0].tolist() == [0, 0, "–", "Both models have the same utterances right: there is no test."]


def test_intervals_are_value_and_bounds():
    columns = [f"{arm}{end}" for arm in ("one", "other") for end in ("", "_low", "_high")]
    found = pd.DataFrame(0.5, ["WA", "recall_anger"], columns).assign(gain=-0.012, gain_low=-0.2, gain_high=0.1)
    told = ablation.intervals(found, "A", "B")
    assert list(told.index) == ["WA", "recall anger"]
    assert told.loc["WA"].tolist() == ["0.500 [0.500, 0.500]"] * 2 + ["-1.2 [-20.0, +10.0]"]


def test_no_bootstrap_has_no_intervals(nothing):
    assert ablation.intervals(ablation.pooled(nothing), *TITLES[:2]).empty


# What the printed numbers can show


def test_printed_gains_of_wa_and_macro_f1_stay_below_the_critical_t():
    """By hand: .012 sqrt(5) / (.031 - .021) = 2.68 and .014 sqrt(5) / (.040 - .028) = 2.61, critical 2.776."""
    limits = ablation.printed_limits()
    assert limits.loc[["WA", "macro_f1"], "high"].round(2).tolist() == [2.68, 2.61]
    assert (limits.loc[["WA", "macro_f1"], "high"] < t_critical(5)).all()


def test_printed_spreads_of_wa_do_not_differ():
    """By hand: (.031 / .021)² = 2.18; F(4, 4) gives p = .47."""
    assert ablation.printed_limits().loc["WA", ["F", "p"]].round(2).tolist() == [2.18, 0.47]


def test_rounding_widens_every_range():
    limits = ablation.printed_limits()
    assert ((limits["least"] < limits["low"]) & (limits["high"] < limits["most"])).all()
    assert list(limits.index) == list(published_loso().index)


def test_printed_limits_need_the_published_numbers_alone(tmp_path, monkeypatch):
    """Neither this project's results nor any run is read."""
    (tmp_path / "published").symlink_to(paths.results_root() / "published")
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path)
    monkeypatch.setattr(paths, "runs_root", lambda: tmp_path / "no runs")
    assert not gaps(ablation.printed_limits_told(ablation.printed_limits()))


def test_limits_are_told_with_the_printed_gain_in_front():
    told = ablation.printed_limits_told(ablation.printed_limits())
    assert told.loc["WA"].tolist() == ["+1.2", "0.52 … 2.68", "0.46 … 3.23", "2.18", "0.47"]
    assert told.loc["F1 sadness", "t, printed values"] == "-6.48 … -0.83"


# In words


@pytest.mark.parametrize("folds", [((), ()), ((1,), (1,)), ((1, 2), (2, 3)), (FOLDS, FOLDS)], ids=str)
def test_findings_are_text_without_gaps(folds):
    found = ablation.findings(arms(*folds), OPEN)
    assert all(isinstance(value, str) and value and "nan" not in value for value in found.values())


def test_findings_of_the_paper_need_no_run(nothing):
    found = ablation.findings(nothing, OPEN)
    assert (found["critical"], found["wilcoxon_least"]) == ("2.776", "0.0625")
    assert (found["t_WA"], found["t_macro_f1"], found["F_WA"], found["p_WA"]) == ("2.68", "2.61", "2.18", "0.47")
    assert (found["less_spread"], found["less_variance"]) == ("32%", "54%")
    assert found["here"] == "No fold is finished in both arms, so these runs say nothing yet."


def test_findings_name_the_corpora_by_what_they_are(nothing):
    assert ablation.findings(nothing, OPEN)["arms"] == "RAVDESS + CREMA-D"
    demo = ablation.findings(nothing, Experiment.from_profile("demo"))
    assert demo["arms"] == "synthetic IEMOCAP + synthetic CREMA-D"


def test_findings_name_the_scores_whose_interval_leaves_zero_out():
    runs = [made("", fold) for fold in FOLDS]
    right = [answered(made("cremad", run.experiment.fold), run.predictions["truth"]) for run in runs]
    told = ablation.findings(ablation.two_arms(runs + right, OPEN), OPEN)["here"]
    assert told.startswith("In these runs, the scores whose interval leaves zero out are WA (+")
    assert ablation.findings(alike(), OPEN)["here"] == "In these runs, no score moves beyond its interval."
