"""Concordance loss of valence, activation and dominance (Lin, Biometrics 45(1), 1989)."""

import torch
from torch import Tensor, nn


class ConcordanceLoss(nn.Module):
    """1 - CCC of a batch, mean over the dimensions; `sercore.evaluation.score_dimensions` defines the CCC.

    It is the mean squared error over what that would be without covariance. One utterance alone teaches nothing.
    """

    def forward(self, outputs: Tensor, ratings: Tensor) -> Tensor:
        """Args: outputs, ratings (batch, dimensions) of any float type. Returns a scalar, 0 (agreement) to 2."""
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        gap = outputs.mean(dim=0) - ratings.mean(dim=0)
        apart = outputs.var(dim=0, correction=0) + ratings.var(dim=0, correction=0) + gap**2
        return (((outputs - ratings) ** 2).mean(dim=0) / apart.clamp_min(torch.finfo(apart.dtype).tiny)).mean()
