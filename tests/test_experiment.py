"""An Experiment takes the paper's settings unless a profile says otherwise, and refuses what it does not know."""

import json
import re
from dataclasses import asdict

import pytest
from papermill.iorw import read_yaml_file
from papermill.translators import PythonTranslator

from sercore.experiment import Experiment
from sercore.paths import profiles_root


def test_defaults_are_the_papers():
    """Section III-B and III-D."""
    paper = Experiment()
    assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.warmup_ratio) == (25, 16, 5e-5, 0.1)
    assert (paper.weight_decay, paper.patience, paper.gamma, paper.label_smoothing) == (0.01, 6, 2.0, 0.1)
    assert (paper.max_seconds, paper.length, paper.backbone) == (8.0, "fixed", "ntu-spml/distilhubert")


def test_paper_profile_is_the_defaults():
    given, default = asdict(Experiment.from_profile("paper")), asdict(Experiment())
    assert {name for name in given if given[name] != default[name]} == {"workers"}


@pytest.mark.parametrize("profile", ["demo", "open", "paper"])
def test_every_profile_loads_and_names_itself(profile):
    """So that papermill, which is given the file with -f, hands the right name to a page."""
    assert Experiment.from_profile(profile).profile == profile
    assert f"\nprofile: {profile}\n" in (profiles_root() / f"{profile}.yaml").read_text(encoding="utf-8")


def test_name_has_arm_fold_and_what_differs_from_the_profile():
    assert Experiment.from_profile("open", fold=3).name == "ravdess+cremad-fold3"
    assert Experiment.from_profile("open", fold=3, permanent="").name == "ravdess-fold3"
    circumstances = {"workers": 4, "report_to": "tensorboard"}
    assert Experiment.from_profile("open", epochs=2, **circumstances).name == "ravdess+cremad-fold1-epochs=2"


def test_name_is_a_folder_name_for_any_backbone():
    assert "/" not in Experiment.from_profile("open", backbone="models/my-hubert").name


def test_an_empty_value_of_yaml_is_no_corpus():
    assert Experiment.from_profile("open", permanent=None) == Experiment.from_profile("open", permanent="")


def test_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="'epoch'; did you mean epochs"):
        Experiment.from_profile("demo", epoch=2)


@pytest.mark.parametrize("fold", [0, 6, -1])
def test_fold_out_of_range_is_refused(fold):
    with pytest.raises(ValueError, match=r"fold is -?\d; it must lie in 1..5"):
        Experiment(fold=fold)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"epochs": "two"}, "epochs is 'two'; it must be of type int"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be of type int"),
        ({"bfloat16": 1}, "bfloat16 is 1; it must be of type bool"),
        ({"roots": "data"}, "roots is 'data'; it must be of type dict"),
        ({"length": "shortest"}, "choose one of 'fixed', 'longest'"),
        ({"split": "speaker"}, "choose one of 'loso', 'random', 'disjoint'"),
        ({"permanent": "iemocap"}, "permanent and primary are both 'iemocap'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"interpolation": 0.5, "backbone": "tiny"}, "interpolation is 0.5; tiny is not pretrained: set 1"),
        ({"interpolation": 1.5}, "interpolation is 1.5; it must lie in 0..1"),
        ({"task": "ordinal"}, "choose one of 'categorical', 'dimensional'"),
        ({"task": "dimensional", "head": "regression"}, "task 'dimensional' needs head 'trained'"),
        ({"augmentation": "more"}, "choose one of 'paper', 'views', 'none'"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"report_to": "tensorbord"}, "report_to is 'tensorbord'; choose one of 'none', 'tensorboard', 'wandb'"),
        ({"primary": ""}, "primary is empty; only permanent may be"),
        ({"roots": {"cremad": 5}}, r"roots\['cremad'\] is 5; it must be of type str"),
    ],
)
def test_bad_values_get_one_clear_line(setting, line):
    with pytest.raises(ValueError, match=line) as error:
        Experiment(**setting)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ("profile: 5", "profile is 5; it must be of type str"),
        ("profile: [open]", "profile is ['open']; it must be of type str"),
        ("profile: null", "profile is None; it must be of type str"),
        ("fold: {of: 5}", "fold is {'of': 5}; it must be of type int"),
        ("fold: 2026-01-01", "fold is '2026-01-01'; it must be of type int"),  # papermill makes text of a date
        ("fold: !!timestamp 2026-01-01", "fold is '2026-01-01'; it must be of type int"),
        ("fold: !!pairs [of: 5]", """fold is ["('of', 5)"]; it must be of type int"""),  # and of a tuple
        ("fold: null", "fold is None; it must be of type int"),
        ("settings: {primary: null}", "primary is None; it must be of type str"),
        ("settings: {backbone: [a, [b]]}", "backbone is ['a', ['b']]; it must be of type str"),
        ("settings: {epochs: {at: {most: 2}}}", "epochs is {'at': {'most': 2}}; it must be of type int"),
        ("settings: {learning_rate: .inf}", "learning_rate is inf; it must lie in 1e-09..4.29497e+09"),
        ("settings: {roots: {cremad: [a, [b]]}}", "roots['cremad'] is ['a', ['b']]; it must be of type str"),
        ("settings: {1: 2}", "settings: unknown setting '1'"),
    ],
)
def test_what_is_no_plain_value_is_refused_where_papermill_hands_it_over(parameters, line, tmp_path):
    """`papermill -f` reads the file and writes a cell of its parameters, which takes the place of the page's."""
    (tmp_path / "parameters.yaml").write_text(parameters)
    page = {"profile": "demo", "fold": 1, "settings": {}}
    exec(PythonTranslator.codify(read_yaml_file(str(tmp_path / "parameters.yaml"))), page)
    with pytest.raises(ValueError, match=re.escape(line)) as error:
        Experiment.from_profile(page["profile"], **{"fold": page["fold"], **page["settings"]})
    assert "\n" not in str(error.value)


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(FileNotFoundError, match="the profiles are demo, open, paper"):
        Experiment.from_profile("demmo")


def test_a_profile_may_be_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("primary: cremad\npermanent: ravdess\nbackbone: tiny\n")
    assert Experiment.from_profile(str(file)).profile == "mine"
    file.write_text("primari: cremad\n")
    with pytest.raises(ValueError, match=r"mine.yaml: unknown setting 'primari'; did you mean primary"):
        Experiment.from_profile(str(file))


@pytest.mark.parametrize("split", ["random", "disjoint"])
def test_the_production_section_counts_for_the_production_model(split):
    production = Experiment.from_profile("open", split=split)
    assert (production.primary, production.permanent, production.steps) == ("cremad", "", 1500)
    assert production.backbone == Experiment.from_profile("open").backbone  # as in the rest of the profile


def test_the_production_section_does_not_count_for_the_folds():
    folds = Experiment.from_profile("open")
    assert (folds.split, folds.primary, folds.permanent, folds.steps) == ("loso", "ravdess", "cremad", 330)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "cremad-production-random"),
        ({"fold": 3}, "cremad-production-random"),
        ({"epochs": 3}, "cremad-production-random-epochs=3"),
        ({"steps": 1500}, "cremad-production-random"),
        ({"permanent": "iemocap"}, "cremad+iemocap-production-random"),
        ({"split": "disjoint", "seed": 1}, "cremad-production-disjoint-seed=1"),
    ],
)
def test_name_of_a_production_model_has_its_split_and_what_was_changed(settings, name):
    assert Experiment.from_profile("open", **{"split": "random", **settings}).name == name


def test_an_unknown_setting_in_the_production_section_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("primary: cremad\npermanent: ravdess\nproduction:\n  epoch: 2\n")
    with pytest.raises(ValueError, match=r"mine.yaml: unknown setting 'epoch'; did you mean epochs"):
        Experiment.from_profile(str(file), split="random")


def test_where_and_how_fast_make_no_other_experiment():
    elsewhere = {"roots": {"cremad": "/elsewhere"}, "workers": 4, "broken": "stop", "report_to": "tensorboard"}
    here, there = Experiment(), Experiment(**elsewhere)
    assert here.identity() == there.identity()
    assert here.identity() != Experiment(synthetic=True).identity()


def test_a_folder_that_is_named_wins_over_the_synthetic_corpus():
    mixed = Experiment(synthetic=True, roots={"cremad": "/mine"})
    assert (mixed.root("cremad"), mixed.root("iemocap"), Experiment().root("iemocap")) == ("/mine", "synthetic", "")


def test_an_experiment_is_read_as_it_was_written(tmp_path):
    experiment = Experiment.from_profile("demo", fold=2, roots={"cremad": "x"})
    (tmp_path / "experiment.json").write_text(json.dumps(asdict(experiment)))
    assert Experiment.from_file(tmp_path / "experiment.json") == experiment


@pytest.mark.parametrize(
    ("profile", "name"), [("demo", "iemocap-fold1"), ("paper", "iemocap-fold1"), ("open", "iemocap-fold1")]
)
def test_every_profile_can_predict_dimensions_on_the_rated_corpus(profile, name):
    """Without the permanent corpus, which has no ratings."""
    assert Experiment.from_profile(profile, task="dimensional").name == f"{name}-task=dimensional"


def test_the_dimensional_section_does_not_count_for_emotions():
    assert Experiment.from_profile("demo").permanent == "cremad"


def test_a_profile_of_ones_own_may_predict_dimensions(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text('task: dimensional\nbackbone: tiny\ndimensional:\n  permanent: ""\n')
    mine = Experiment.from_profile(str(file))
    assert (mine.task, mine.permanent, mine.name) == ("dimensional", "", "iemocap-fold1")


@pytest.mark.parametrize("name", ["task", "report_to"])
def test_a_run_from_before_there_was_a_setting_is_read_with_its_default(name, tmp_path):
    settings = asdict(Experiment())
    settings.pop(name)
    (tmp_path / "experiment.json").write_text(json.dumps(settings))
    assert Experiment.from_file(tmp_path / "experiment.json") == Experiment()
