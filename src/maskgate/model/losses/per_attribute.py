"""The sum of one class loss per attribute."""

from typing import Any

import torch
from torch import Tensor, nn

from maskgate.model.heads import Head, Output
from maskgate.model.losses.class_losses import create_class_loss
from maskgate.model.losses.classification import Classification
from maskgate.model.losses.counts import Counts
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.nested import nested_loss
from maskgate.pipeline.target import Target


class PerAttribute(Loss):
    """The sum of one class loss per attribute, by default cross-entropy (S0).

    Each of `mask`, `gender` and `age_band` is a class loss: its name, or its name and arguments.
    Only attributes that the head predicts are used.
    """

    def __init__(
        self,
        counts: Counts,
        head: Head,
        mask: Any = "cross_entropy",
        gender: Any = "cross_entropy",
        age_band: Any = "cross_entropy",
    ) -> None:
        super().__init__()
        components = {"mask": mask, "gender": gender, "age_band": age_band}
        parts = []
        for name in head.attributes:
            component = nested_loss(components[name], f"loss.{name}")
            parts.append(Classification(create_class_loss(component, counts[name]), name))
        self.parts = nn.ModuleList(parts)

    def forward(self, output: Output, target: Target) -> Tensor:
        return torch.stack([part(output, target) for part in self.parts]).sum()
