"""The committed measurements keep what the files are held to."""

import pytest

from sercore import paths
from sercore.deployment import targets


def test_every_target_is_reached_at_least():
    found = targets.targets()
    assert list(found.index) == list(targets.TARGETS) and found["measured"].notna().all()
    assert not found.index[found["reached"] == "neither"].tolist()


@pytest.mark.parametrize(
    ("less", "measured", "reached"),
    [(True, 3, "neither"), (True, 2, "at least"), (True, 1, "aim"), (False, 0, "neither"), (False, 1, "at least"), (False, 2, "aim")],
)
def test_less_or_more_is_better(less, measured, reached):
    assert targets._reached(less, *((2, 1) if less else (1, 2)), measured) == reached


def test_readme_shows_the_schemes_at_a_glance():
    table = targets.at_a_glance()
    lines = [["", *table.columns], ["---"] * 4, *table.reset_index().values.tolist()]
    expected = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    shown = (paths.PROJECT / "README.md").read_text(encoding="utf-8").split("<!-- schemes -->")[1].split("<!-- /schemes -->")[0].strip()
    assert shown == expected, f"put this into README.md:\n{expected}"


def test_nothing_measured_is_an_empty_table(tmp_path, monkeypatch):
    monkeypatch.setattr(targets.paths, "results_root", lambda: tmp_path)
    assert targets.told(targets.targets()).empty
