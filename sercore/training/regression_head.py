"""A logistic regression as the classifier's last layer, fitted on embeddings of utterances as they are."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

STRENGTHS = (0.0003, 0.001, 0.003, 0.01)  # of C, the inverse regularization


def fit_head(embeddings: np.ndarray, labels: np.ndarray, strength: float) -> Pipeline:
    """Fits standardization and a class-balanced regression on embeddings (utterances, dimensions)."""
    regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), regression).fit(embeddings, labels)


def choose_head(train: tuple, validation: tuple) -> Pipeline:
    """The head of those strengths that has the least cross-entropy on speakers that are not in training.

    Cross-entropy, since UA on few speakers hardly moves while the strength changes a hundredfold, and then by chance.

    Args:
        train, validation: embeddings (utterances, dimensions) and labels (utterances,) each.
    """
    heads = [fit_head(*train, strength) for strength in STRENGTHS]
    losses = [log_loss(validation[1], head.predict_proba(validation[0]), labels=head.classes_) for head in heads]
    return heads[int(np.argmin(losses))]


@torch.no_grad()
def write_head(classifier: nn.Linear, head: Pipeline) -> None:
    """Makes a linear layer compute what a fitted head computes; its classes are 0, 1, ... in the layer's order."""
    scaler, regression = head
    weight = regression.coef_ / scaler.scale_
    classifier.weight.copy_(torch.from_numpy(weight))
    classifier.bias.copy_(torch.from_numpy(regression.intercept_ - weight @ scaler.mean_))
