"""Regression of the age: mean squared error in years."""

import torch
from torch import Tensor

from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.pipeline.target import Target


class AgeRegression(Loss):
    """Mean squared error of the age in years, over photos whose age is known (S1; S2 × 0.001).

    For a head with `regress_age`.
    """

    needs = frozenset({"age"})
    trains_classes = False

    def forward(self, output: Output, target: Target) -> Tensor:
        age, known = output.loss_inputs["age"], target.age.isfinite()
        error = torch.where(known, age - target.age.nan_to_num(), 0.0)
        return error.square().sum() / known.sum().clamp(min=1)
