"""The refitted head computes what scikit-learn's regression computes."""

import numpy as np
import pandas as pd
import pytest
import torch

from sercore.training.regression_head import STRENGTHS, balance_corpora, choose_head, fit_head, write_head

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.standard_normal((200, 64)).astype(np.float32), np.arange(200) % 4


def test_written_head_is_the_fitted_regression(make_classifier):
    head, model = fit_head(X, Y, 0.1), make_classifier()
    write_head(model.classifier, head)
    assert np.allclose(model.classifier(torch.tensor(X)).softmax(1).detach(), head.predict_proba(X), atol=1e-5)


def test_strength_is_chosen_by_cross_entropy_on_the_validation_set():
    """Labels that say nothing ask for the strongest regularization, labels that are clear for the weakest."""
    clear = X.copy()
    clear[np.arange(200), Y] += 8
    chosen = [choose_head((x[:100], Y[:100]), (x[100:], Y[100:]))[-1].C for x in (X, clear)]
    assert chosen == [STRENGTHS[0], STRENGTHS[-1]]


def test_each_corpus_counts_the_same_whatever_its_size():
    """Three utterances of one and one of the other: 4 / (2 x 3) and 4 / (2 x 1)."""
    assert balance_corpora(pd.Series(["a", "a", "b", "a"])) == pytest.approx([2 / 3, 2 / 3, 2, 2 / 3])


def test_of_one_corpus_every_utterance_weighs_one():
    weights = balance_corpora(pd.Series(["a"] * 200))
    assert (weights == 1).all()
    plain, weighted = fit_head(X, Y, 0.1), fit_head(X, Y, 0.1, weights)
    np.testing.assert_array_equal(plain[-1].coef_, weighted[-1].coef_)
