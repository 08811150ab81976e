"""Correlations that match, a gradient that turns around, a spectrogram that takes on a style."""

import numpy as np
import pytest
import torch

from sercore.training.log_mel import LogMel


@pytest.fixture(scope="module")
def page(page_functions):
    return page_functions("domain_adaptation")


def test_correlations_become_those_of_the_source(page):
    rng = np.random.default_rng(0)
    source, target = (rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4) for _ in range(2))
    aligned = page.align_correlations(target, source, shrinkage=1e-9)
    assert np.cov(aligned.T) == pytest.approx(np.cov(source.T), rel=1e-4, abs=1e-4)
    assert aligned.mean(axis=0) == pytest.approx(source.mean(axis=0))


def test_reversal_is_the_identity_forward_and_turns_the_gradient(page):
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    page.turn_gradient(values).sum().backward()
    assert values.grad.tolist() == [-1, -1] and page.turn_gradient(values).tolist() == [1, 2]


def test_adversarial_training_undoes_a_shift_that_the_plain_network_follows(page):
    """Two emotions along two axes, the corpora along the first: what cannot tell the corpora is left on the second."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=600)
    known = rng.normal(size=(600, 2)) * 0.3 + np.outer(2.0 * labels - 1, [1.0, 0.7])
    new = known + np.array([1.5, 0.0])
    plain, adversarial = (
        (page.train_network(known, labels, new, reverse, seed=0).argmax(1) == labels).mean()
        for reverse in (False, True)
    )
    assert adversarial > plain + 0.05 and adversarial > 0.9


def test_style_of_each_band_is_the_one_asked_for(page):
    """Two utterances of noise, the second half as long: behind its end there stays nothing."""
    torch.manual_seed(0)
    model = torch.nn.Module()
    model.log_mel = LogMel(8, 0.97)
    style = torch.linspace(-1, 1, 8)[None, :, None], torch.linspace(0.5, 2, 8)[None, :, None]
    hook = page.transfer_style(model, style)
    frames = torch.tensor([[100], [50]])
    first, second = model.log_mel(0.1 * torch.randn(2, 16_000), frames)
    hook.remove()
    for own in (first, second[:, :50]):
        torch.testing.assert_close(own.mean(1), style[0][0, :, 0], atol=1e-3, rtol=0)
        torch.testing.assert_close(own.std(1, correction=0), style[1][0, :, 0], atol=0.05, rtol=0.05)
    assert not second[:, 50:].any()
