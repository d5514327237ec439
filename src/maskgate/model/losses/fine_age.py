"""Cross-entropy of age classes finer than the three bands."""

import torch
from torch import Tensor

from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.pipeline.target import Target


class FineAge(Loss):
    """Cross-entropy of the finer age classes, over photos whose age is known (S1).

    For a head with `age: fine`.
    """

    needs = frozenset({"fine_age"})

    def forward(self, output: Output, target: Target) -> Tensor:
        log_p, known = output.loss_inputs["fine_age"], target.age.isfinite()
        starts = output.loss_inputs["fine_age_starts"].to(target.age.dtype)
        fine = torch.bucketize(target.age.nan_to_num(), starts, right=True)
        log_likelihood = torch.where(known, log_p.gather(1, fine[:, None]).squeeze(1), 0.0)
        return -log_likelihood.sum() / known.sum().clamp(min=1)
