"""A recorded run is read where no run was begun: without weights, and without audio."""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from sercore import paths
from sercore.data import load_split, load_target, load_utterances
from sercore.evaluation import fit_moments
from sercore.experiment import Experiment
from sercore.paths import PROJECT
from sercore.training import embed, find_runs, read_head, read_moments, runs, train
from sercore.training.embeddings import EMBEDDED, HEAD, MOMENTS

PUBLISHED = sorted(file.parent for file in paths.results_root().glob("*/runs/*/experiment.json"))
EXPERIMENT = Experiment(profile="open", primary="ravdess", permanent="", split="disjoint", target="cremad")


@pytest.fixture
def recorded(tmp_path, monkeypatch, table) -> paths.Path:
    """A made-up recorded run and made-up recorded utterances, on a machine without corpora."""
    monkeypatch.setenv("SERCORE_RECORDED", "yes")
    for name in ("SERCORE_RAVDESS", "SERCORE_CREMAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path / "results")
    monkeypatch.setattr(paths, "workspace", lambda: tmp_path)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    table = table.drop(columns="path").assign(duration=1.0, seconds=1.0, peak=0.5)
    for name in ("ravdess", "cremad"):
        file = paths.recorded_utterances(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        own = table.assign(
            corpus=name, utterance=f"{name}-" + table["utterance"], speaker=f"{name}-" + table["speaker"]
        )
        own.assign(digest=own["utterance"]).to_csv(file, index=False)
    folder = paths.recorded_root("open") / EXPERIMENT.name
    paths.write_json(folder / "experiment.json", vars(EXPERIMENT))
    paths.write_json(folder / "environment.json", {"code": "older"})
    paths.write_json(folder / "metrics.json", {"test": {}})
    for name in ("history.csv", "predictions.csv"):
        pd.DataFrame({"utterance": ["a"], "speaker": ["b"]}).to_csv(folder / name)
    return folder


def test_a_recorded_run_is_read_and_says_that_other_code_made_it(recorded, capsys):
    assert train(EXPERIMENT).path == recorded
    assert "recorded by other code (older), not trained here" in capsys.readouterr().out
    assert not paths.runs_root().exists()


@pytest.fixture
def record_same(load_script, recorded, monkeypatch):
    """`record.py --same` of a run that today's code trained, with the recorded predictions or with others."""
    module = load_script("record")
    monkeypatch.setattr(module, "results_root", paths.results_root)

    def note(predictions: str = "", **settings) -> str:
        again = paths.runs_root() / "open" / EXPERIMENT.name
        shutil.copytree(recorded, again, dirs_exist_ok=True)
        paths.write_json(again / "experiment.json", vars(EXPERIMENT) | settings)
        environment = {"code": runs.code_fingerprint(), "commit": "abc", "started": "2026-11-29T00:00:00+00:00"}
        paths.write_json(again / "environment.json", environment)
        with open(again / "predictions.csv", "a") as file:
            file.write(predictions)
        module.record_same(again)
        shutil.rmtree(again)
        return (paths.results_root() / "open" / runs.SAME).read_text()

    return note


def test_code_that_gives_the_same_bytes_is_noted_and_said_with_its_runs(recorded, record_same, capsys):
    code = runs.code_fingerprint()
    digest = hashlib.sha256((recorded / "predictions.csv").read_bytes()).hexdigest()
    row = f"{code},older,{EXPERIMENT.name},{digest},abc,2026-11-29"
    assert record_same() == record_same() == f"code,reference,run,sha256,commit,date\n{row}\n"
    capsys.readouterr()
    assert train(EXPERIMENT).path == recorded
    said = f"recorded by code older; today's code gives the same bytes for {EXPERIMENT.name}, not trained here"
    assert said in capsys.readouterr().out


def test_what_is_noted_of_other_code_says_nothing_of_todays(recorded, record_same, monkeypatch, capsys):
    record_same()
    monkeypatch.setattr(runs, "code_fingerprint", lambda: "newer")
    assert train(EXPERIMENT).path == recorded and "recorded by other code (older)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("predictions", "settings", "reason"),
    [("more", {}, "differ; .* is to be recorded anew"), ("", {"learning_rate": 1e-4}, "has other settings than")],
)
def test_other_bytes_and_other_settings_are_not_noted(record_same, predictions, settings, reason):
    with pytest.raises(ValueError, match=reason):
        record_same(predictions, **settings)
    assert not (paths.results_root() / "open" / runs.SAME).exists()


def test_the_code_of_the_recorded_run_needs_no_note(recorded, record_same):
    paths.write_json(recorded / "environment.json", {"code": runs.code_fingerprint()})
    with pytest.raises(ValueError, match="was trained by the code of the recorded run"):
        record_same()


def test_noted_digests_are_those_of_the_recorded_predictions():
    """Rows for code of earlier recordings, whose predictions are gone, say nothing any more."""
    for file in (PROJECT / "results").glob(f"*/{runs.SAME}"):
        for row in pd.read_csv(file, dtype=str).itertuples():
            run = file.parent / "runs" / row.run
            if json.loads((run / "environment.json").read_text())["code"] == row.reference:
                assert hashlib.sha256((run / "predictions.csv").read_bytes()).hexdigest() == row.sha256


def test_it_counts_among_the_finished_ones(recorded):
    assert [run.path for run in find_runs("open", "disjoint")] == [recorded]


def test_a_run_that_was_begun_here_has_precedence(recorded):
    runs.claim(EXPERIMENT)
    assert runs.find_recorded(EXPERIMENT) is None


def test_all_is_trained_anew_where_that_is_asked_for(recorded, monkeypatch):
    monkeypatch.setenv("SERCORE_RECORDED", "no")
    assert runs.find_recorded(EXPERIMENT) is None and not find_runs("open", "disjoint")


def test_other_settings_are_not_recorded(recorded):
    other = Experiment(**{**vars(EXPERIMENT), "learning_rate": 1e-4})
    assert other.name == EXPERIMENT.name and runs.find_recorded(other) is None


def test_half_a_recorded_run_is_refused_in_one_line(recorded):
    (recorded / "predictions.csv").unlink()
    with pytest.raises(ValueError, match=r"^the recorded run .* lacks predictions\.csv; restore it") as error:
        train(EXPERIMENT)
    assert "\n" not in str(error.value)


def test_utterances_are_there_without_their_audio(recorded):
    split, audio = load_split(EXPERIMENT)
    assert audio is None and set(split.train["path"]) == {""}
    assert len(split.train) + len(split.validation) + len(split.test) == 120
    target, audio = load_target(EXPERIMENT)
    assert audio is None and len(target) == 120


def test_what_is_not_recorded_needs_audio_and_says_so(recorded):
    shutil.rmtree(recorded)
    with pytest.raises(FileNotFoundError, match=r"is not recorded, and training needs audio: set SERCORE_RAVDESS\.$"):
        train(EXPERIMENT)


def test_a_folder_that_was_named_and_is_not_there_stays_an_error(recorded, monkeypatch):
    monkeypatch.setenv("SERCORE_RAVDESS", "/nowhere/at/all")
    with pytest.raises(FileNotFoundError, match="SERCORE_RAVDESS names /nowhere/at/all"):
        load_utterances("ravdess", EXPERIMENT)


def test_embeddings_are_read_in_the_order_of_any_table(recorded):
    run, (target, audio) = train(EXPERIMENT), load_target(EXPERIMENT)
    pooled = np.random.default_rng(0).standard_normal((len(target), 6)).astype(np.float16)
    target.to_csv(recorded / EMBEDDED, index=False)
    np.save(recorded / EMBEDDED.replace("csv", "npy"), pooled)
    np.testing.assert_array_equal(embed(run, target[3:9][::-1], audio), pooled[3:9][::-1].astype(np.float32))
    with pytest.raises(FileNotFoundError, match="keeps no embeddings of these 2 utterances"):
        embed(run, target[:2].assign(utterance=["x", "y"]), audio)


def test_head_and_moments_are_read(recorded):
    run, random = train(EXPERIMENT), np.random.default_rng(0)
    weight, bias, pooled = random.standard_normal((4, 6)), random.standard_normal(4), random.standard_normal((9, 6))
    np.save(recorded / HEAD, np.column_stack([weight, bias]))
    np.save(recorded / MOMENTS, np.column_stack(fit_moments(pooled)))
    np.testing.assert_array_equal(read_head(run)[0], weight)
    np.testing.assert_array_equal(read_head(run)[1], bias)
    np.testing.assert_array_equal(read_moments(run, None, None), fit_moments(pooled))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: f"{folder.parents[1].name}/{folder.name}")
def test_every_published_run_is_the_one_of_its_profile(folder, monkeypatch):
    """Also those that were recorded before there were settings such as `task`."""
    monkeypatch.setenv("SERCORE_RECORDED", "yes")
    recorded = Experiment.from_file(folder / "experiment.json")
    changes = {name: getattr(recorded, name) for name in ("split", "fold", "permanent")}
    assert runs.find_recorded(Experiment.from_profile(recorded.profile, **changes)) == folder
