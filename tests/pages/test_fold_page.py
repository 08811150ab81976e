"""The page of a fold: what it computes with scikit-learn is what the library scores."""

import ast

import pandas as pd
import pytest
from sklearn.metrics import classification_report

from sercore.evaluation import score
from sercore.labels import EMOTIONS
from sercore.paths import PROJECT


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("loso_fold_1")


def test_few_names_are_named_and_many_are_counted(page):
    assert page.name_few(pd.Series([2, 1, 2])) == "1, 2"
    assert page.name_few(pd.Series(range(1001, 1092))) == "91 in all"  # the speakers of CREMA-D


def test_the_report_of_scikit_learn_has_the_librarys_scores():
    """The page calls UA the macro average of recall and WA the accuracy of the report."""
    y_true = [*EMOTIONS, *EMOTIONS, "anger", "anger", "neutral"]
    y_pred = [*EMOTIONS, *reversed(EMOTIONS), "sadness", "anger", "neutral"]
    scores = score(y_true, y_pred)
    report = classification_report(y_true, y_pred, labels=EMOTIONS, zero_division=0, output_dict=True)
    assert report["macro avg"]["recall"] == pytest.approx(scores["UA"])
    assert report["macro avg"]["f1-score"] == pytest.approx(scores["macro_f1"])
    assert report["accuracy"] == pytest.approx(scores["WA"])


def test_the_page_states_its_fold_once():
    """workflow/notebooks.py writes the other folds' pages from this one, by its title and this parameter."""
    tree = ast.parse((PROJECT / "notebooks" / "loso_fold_1.py").read_text(encoding="utf-8"))
    assigned = [
        node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    assert assigned.count("fold") == 1
