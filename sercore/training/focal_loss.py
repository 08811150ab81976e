"""Adaptive focal loss (section III-D, equation 1)."""

import torch
from torch import Tensor, nn


class AdaptiveFocalLoss(nn.Module):
    """FL(p_t) = -alpha_t (1 - p_t)^gamma log p_t, with label smoothing.

    Where the smoothing enters is not printed. Here it spreads the target, q = (1 - eps) onehot + eps / n, and every
    class has its focal term, L = - sum_c q_c alpha_c (1 - p_c)^gamma log p_c, mean over the batch: gamma = 0 gives
    PyTorch's weighted, smoothed cross-entropy of each utterance, and eps = 0 equation 1.

    Args:
        class_weights: alpha, one float a class, in the order of the emotions.
        gamma: focusing exponent, at least 0.
        label_smoothing: eps, 0 to 1.
    """

    def __init__(self, class_weights: list[float], gamma: float = 2.0, label_smoothing: float = 0.1):
        super().__init__()
        self.register_buffer("alpha", torch.tensor(class_weights, dtype=torch.float32))
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Args: logits (batch, classes) of any float type; labels (batch,) whole numbers. Returns a scalar."""
        log_p = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
        # 1 - p, exact where p is near 1, and never 0, where the gradient of miss^gamma can be infinite.
        miss = -torch.expm1(log_p).clamp_max(-torch.finfo(log_p.dtype).tiny)
        classes = logits.shape[-1]
        target = nn.functional.one_hot(labels, classes) * (1 - self.label_smoothing) + self.label_smoothing / classes
        return -(target * self.alpha * miss**self.gamma * log_p).sum(dim=-1).mean()
