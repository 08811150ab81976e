"""Adaptive focal loss against equation 1, PyTorch's cross-entropy, and a second implementation in float64."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from sercore.training import AdaptiveFocalLoss

ALPHA = [1.065, 0.913, 0.974, 1.070]  # Table I
EQUAL = [1.0] * 4


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(32, 4, generator=generator), torch.randint(4, (32,), generator=generator)


def reference(logits, labels, alpha, gamma, smoothing):
    """The formula of the docstring, utterance by utterance in float64 NumPy."""
    losses = []
    for row, label in zip(logits.double().numpy(), labels.numpy(), strict=True):
        p = np.exp(row - row.max())
        p /= p.sum()
        q = np.full(4, smoothing / 4)
        q[label] += 1 - smoothing
        losses.append(-(q * np.array(alpha) * (1 - p) ** gamma * np.log(p)).sum())
    return np.mean(losses)


def test_equals_cross_entropy_at_gamma_0_without_smoothing(batch):
    loss = AdaptiveFocalLoss(EQUAL, gamma=0, label_smoothing=0)(*batch)
    assert loss.item() == pytest.approx(cross_entropy(*batch).item(), rel=1e-6)


def test_equals_weighted_smoothed_cross_entropy_at_gamma_0(batch):
    """Where the smoothing enters is this project's choice; at gamma 0 it is PyTorch's."""
    expected = cross_entropy(*batch, weight=torch.tensor(ALPHA), label_smoothing=0.1, reduction="none").mean()
    assert AdaptiveFocalLoss(ALPHA, gamma=0, label_smoothing=0.1)(*batch) == pytest.approx(expected.item(), rel=1e-6)


def test_equals_equation_1_without_smoothing():
    """p_t = 0.25 from equal logits: FL = -alpha 0.75^2 log 0.25."""
    loss = AdaptiveFocalLoss([2.0, 1, 1, 1], gamma=2, label_smoothing=0)(torch.zeros(1, 4), torch.tensor([0]))
    assert loss.item() == pytest.approx(-2 * 0.75**2 * np.log(0.25))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_agrees_with_the_float64_reference(batch, gamma, smoothing):
    loss = AdaptiveFocalLoss(ALPHA, gamma, smoothing)(*batch)
    assert loss.item() == pytest.approx(reference(*batch, ALPHA, gamma, smoothing), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradient_is_right(gamma):
    """Against finite differences, in float64."""
    logits = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = AdaptiveFocalLoss(ALPHA, gamma, 0.1).double()
    assert torch.autograd.gradcheck(lambda values: loss(values, torch.tensor([0, 1, 2, 3, 0, 1])), logits)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("scale", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("label", [0, 1])
def test_is_finite_at_extreme_logits(gamma, scale, label):
    logits = torch.tensor([[scale, 0.0, -scale, 1.0]], requires_grad=True)
    loss = AdaptiveFocalLoss(ALPHA, gamma, 0.1)(logits, torch.tensor([label]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


def test_easy_utterances_count_less_than_hard_ones():
    """The purpose of gamma: the ratio of a hard to an easy utterance's loss grows with it."""
    easy, hard = torch.tensor([[3.0, 0, 0, 0]]), torch.tensor([[-3.0, 0, 0, 0]])
    label = torch.tensor([0])
    plain, focal = (AdaptiveFocalLoss(EQUAL, gamma, 0) for gamma in (0, 2))
    assert focal(hard, label) / focal(easy, label) > 10 * plain(hard, label) / plain(easy, label)


def test_half_precision_logits_are_computed_in_float32(batch):
    half = batch[0].bfloat16()
    assert AdaptiveFocalLoss(ALPHA)(half, batch[1]).dtype == torch.float32
