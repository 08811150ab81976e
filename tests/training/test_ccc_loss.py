"""Concordance loss: one less the score, and never without a number."""

import numpy as np
import pytest
import torch

from sercore.evaluation import score_dimensions
from sercore.training import ConcordanceLoss

RATINGS = torch.tensor([[1.0, 2.0, 3.0], [2.5, 3.0, 1.0], [4.0, 2.5, 5.0], [3.0, 3.5, 2.0]])


def test_it_is_one_less_the_score():
    outputs = RATINGS + torch.randn(RATINGS.shape, generator=torch.manual_seed(0))
    assert ConcordanceLoss()(outputs, RATINGS).item() == pytest.approx(1 - score_dimensions(RATINGS, outputs)["CCC"])


def test_agreement_costs_nothing_and_a_mirror_image_twice_as_much_as_a_constant():
    """CCC 1, -1 (about the mean) and 0."""
    mirror, constant = 2 * RATINGS.mean(dim=0) - RATINGS, RATINGS.mean(dim=0).expand_as(RATINGS)
    losses = [ConcordanceLoss()(outputs, RATINGS).item() for outputs in (RATINGS, mirror, constant)]
    np.testing.assert_allclose(losses, [0, 2, 1], atol=1e-6)


@pytest.mark.parametrize("rows", [1, 4], ids=["one utterance", "the same rating four times"])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_a_batch_without_spread_has_a_loss_and_gradients(rows, offset):
    outputs = torch.full((rows, 3), 3.0 + offset, requires_grad=True)
    loss = ConcordanceLoss()(outputs, torch.full((rows, 3), 3.0))
    loss.backward()
    assert loss.item() == (offset > 0) and outputs.grad.isfinite().all()


def test_half_precision_is_computed_in_single():
    outputs = RATINGS.bfloat16() + 0.5
    assert ConcordanceLoss()(outputs, RATINGS).dtype == torch.float32
