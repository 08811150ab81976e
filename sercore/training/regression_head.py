"""A logistic regression as the classifier's last layer, fitted on embeddings of utterances as they are."""

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn

STRENGTHS = (0.0003, 0.001, 0.003, 0.01)  # of C, the inverse regularization


def balance_corpora(corpora: pd.Series) -> np.ndarray:
    """Weights (utterances,) of mean 1 with which each corpus counts the same, however many utterances it has."""
    return compute_sample_weight("balanced", corpora)


def fit_head(embeddings: np.ndarray, labels: np.ndarray, strength: float, weights=None) -> Pipeline:
    """Fits standardization and a class-balanced regression on embeddings (utterances, dimensions)."""
    regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    head = make_pipeline(StandardScaler(), regression)
    return head.fit(embeddings, labels, logisticregression__sample_weight=weights)


def choose_head(train: tuple, validation: tuple, weights: np.ndarray | None = None) -> Pipeline:
    """The head of those strengths that has the least cross-entropy on speakers that are not in training.

    Cross-entropy, since UA on few speakers hardly moves while the strength changes a hundredfold, and then by chance.

    Args:
        train, validation: embeddings (utterances, dimensions) and labels (utterances,) each.
        weights: of the training utterances, as of `balance_corpora`; None for the same.
    """
    heads = [fit_head(*train, strength, weights) for strength in STRENGTHS]
    losses = [log_loss(validation[1], head.predict_proba(validation[0]), labels=head.classes_) for head in heads]
    return heads[int(np.argmin(losses))]


@torch.no_grad()
def write_head(classifier: nn.Linear, head: Pipeline) -> None:
    """Makes a linear layer compute what a fitted head computes; its classes are 0, 1, ... in the layer's order."""
    scaler, regression = head
    weight = regression.coef_ / scaler.scale_
    classifier.weight.copy_(torch.from_numpy(weight))
    classifier.bias.copy_(torch.from_numpy(regression.intercept_ - weight @ scaler.mean_))
