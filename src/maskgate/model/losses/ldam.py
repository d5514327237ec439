"""LDAM with deferred re-weighting.

Cao et al. 2019, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss".
"""

import numpy as np
import torch
from torch import Tensor, nn

from maskgate.errors import MaskgateError
from maskgate.model.losses.class_weights import ClassWeights
from maskgate.model.losses.counts import ClassCounts
from maskgate.model.losses.partial_labels import log_likelihood, posterior


class LDAM(nn.Module):
    """Label-distribution-aware margin: larger for rare classes (Cao et al. 2019; S2).

    A class of n photos has the margin n^(−1/4), scaled so that the largest is `max_margin`; logits
    are the log-probabilities × `scale`. After a share `defer` of the epochs, classes are weighted
    by their effective number (`beta`): deferred re-weighting.
    """

    def __init__(
        self,
        counts: ClassCounts,
        max_margin: float = 0.5,
        scale: float = 1.0,
        defer: float = 0.8,
        beta: float = 0.9999,
    ) -> None:
        super().__init__()
        infinite = float("inf")
        if not (0 <= max_margin < infinite and 0 < scale < infinite and 0 <= defer <= 1):
            raise MaskgateError(
                "loss ldam: max_margin must be 0 or more, scale above 0, defer in [0, 1]"
            )
        margins = counts.clip(min=1).astype(np.float64) ** -0.25
        margins *= max_margin / margins.max()
        self.register_buffer("margins", torch.tensor(margins, dtype=torch.float32))
        self.scale, self.defer, self.share_done = scale, defer, 0.0
        self.weights = ClassWeights(counts, "effective", beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        margins = self.get_buffer("margins") * posterior(log_p, target)
        scaled = (self.scale * (log_p - margins)).log_softmax(1)
        if self.share_done >= self.defer:
            return -self.weights.mean(scaled, target)
        return -log_likelihood(scaled, target).mean()
