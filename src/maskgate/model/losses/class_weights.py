"""Weights of photos by the rarity of their class in training.

The effective number is that of Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of
Samples".
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from maskgate.errors import MaskgateError
from maskgate.model.losses.counts import ClassCounts
from maskgate.model.losses.partial_labels import log_likelihood


class ClassWeights(nn.Module):
    """Weights (N,) of photos by their classes' rarity; their mean over the training photos is 1.

    A class of n photos has weight 1/n with `kind` inverse, (1−β)/(1−βⁿ) with effective (Cui et al.
    2019), and the same weight as all others with None. If several classes agree with a photo's
    labels, it has the mean of their weights over the training photos. All weights are equal if no
    training photo has a known class.
    """

    def __init__(self, counts: ClassCounts, kind: str | None, beta: float = 0.999) -> None:
        super().__init__()
        n = counts.astype(np.float64)
        if kind is None:
            weights = np.ones_like(n)
        elif kind == "inverse":
            weights = 1 / n.clip(min=1)
        elif kind == "effective":
            if not 0 < beta < 1:
                raise MaskgateError(f"class weights: beta must be in (0, 1), not {beta}")
            weights = (1 - beta) / (1 - beta ** n.clip(min=1))
        else:
            raise MaskgateError(f"class weights are inverse or effective, not {kind}")
        self.plain = kind is None
        if n.any():
            weights *= n.sum() / (weights * n).sum()
        # Not 0, so that a photo whose classes all have no training photo has a mean.
        self.register_buffer("counts", torch.tensor(n.clip(min=1e-6), dtype=torch.float32))
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, target: Tensor) -> Tensor:
        weights, counts = self.get_buffer("weights"), self.get_buffer("counts")
        if self.plain:
            return torch.ones(len(target), device=target.device)
        if target.is_floating_point():
            return target @ weights
        shares = target * counts
        return (shares @ weights) / shares.sum(1)

    def mean(
        self, log_p: Tensor, target: Tensor, term: Callable[[Tensor], Tensor] = lambda p: p
    ) -> Tensor:
        """Weighted mean over photos of `term(log_likelihood(…))`.

        If the target is probabilities, the classes' terms are weighted by them: the same as mixing
        the losses of the classes.
        """
        if target.is_floating_point():
            return (target * self.get_buffer("weights") * term(log_p)).sum(1).mean()
        return (self(target) * term(log_likelihood(log_p, target))).mean()
