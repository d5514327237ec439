"""Weights of photos by how rare their class is in training.

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

    Of a class of n photos, the `kind` inverse is 1/n and effective (1−β)/(1−βⁿ) (Cui et al. 2019);
    None is the same for all. Where several classes agree, a photo has the mean of their weights
    over the training photos.
    All are the same where no training photo has its class known.
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
                raise MaskgateError(f"class weights: beta lies between 0 and 1, not at {beta}")
            weights = (1 - beta) / (1 - beta ** n.clip(min=1))
        else:
            raise MaskgateError(f"class weights are inverse or effective, not {kind}")
        self.plain = kind is None
        if n.any():
            weights *= n.sum() / (weights * n).sum()
        # Classes without a photo count as one, so that a photo of several has a mean.
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
        """Weighted mean over photos of a `term` of `log_likelihood`'s log-probability.

        Of a target of probabilities: the sum of what each class gives, by them, so that it is
        the same as mixing the losses of the classes.
        """
        if target.is_floating_point():
            return (target * self.get_buffer("weights") * term(log_p)).sum(1).mean()
        return (self(target) * term(log_likelihood(log_p, target))).mean()
