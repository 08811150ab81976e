"""The refitted head computes what scikit-learn's regression computes."""

import numpy as np
import torch

from sercore.training.regression_head import STRENGTHS, choose_head, fit_head, write_head

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
