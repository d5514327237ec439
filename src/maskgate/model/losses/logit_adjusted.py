"""Logit adjustment: Menon et al. 2021, "Long-Tail Learning via Logit Adjustment"."""

import numpy as np
import torch
from torch import Tensor, nn

from maskgate.errors import MaskgateError
from maskgate.model.losses.counts import ClassCounts
from maskgate.model.losses.partial_labels import log_likelihood


class LogitAdjusted(nn.Module):
    """Cross-entropy after adding `tau` × the log share of each class: for balanced errors.

    Menon et al. 2021. Predictions are not adjusted, so rare classes are predicted more often.
    """

    def __init__(self, counts: ClassCounts, tau: float = 1.0) -> None:
        super().__init__()
        if not 0 <= tau < float("inf"):
            raise MaskgateError(f"loss logit_adjusted: tau must be 0 or more, not {tau}")
        share = counts.clip(min=1) / counts.clip(min=1).sum()
        self.register_buffer("offset", tau * torch.tensor(np.log(share), dtype=torch.float32))

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        adjusted = (log_p + self.get_buffer("offset")).log_softmax(1)
        return -log_likelihood(adjusted, target).mean()
