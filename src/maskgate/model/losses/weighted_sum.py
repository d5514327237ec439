"""A weighted sum of losses: `sum` in a recipe."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from maskgate.config import yaml12
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError, shorten_middle
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.nested import nested_loss
from maskgate.pipeline.target import Target


class WeightedSum(Loss):
    """The sum of losses, each times its weight. It needs all outputs that they need."""

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float]) -> None:
        super().__init__()
        self.parts, self.weights = nn.ModuleList(losses), weights
        self.needs = frozenset().union(*(loss.needs for loss in losses))
        self.needs_teacher = any(loss.needs_teacher for loss in losses)
        pairs = zip(losses, weights, strict=True)
        self.trains_classes = any(loss.trains_classes and weight > 0 for loss, weight in pairs)

    def forward(self, output: Output, target: Target) -> Tensor:
        terms = zip(self.weights, self.parts, strict=True)
        return torch.stack([weight * part(output, target) for weight, part in terms]).sum()


def read_parts(parts: Any) -> Iterator[tuple[Component, float]]:
    """Each loss in a recipe's `loss.parts` without its weight, and the weight, 1 if not given.

    Raises MaskgateError if it is not a list of losses, or a weight is not a number of 0 or more.
    """
    if not isinstance(parts, list | tuple) or not parts:
        raise MaskgateError("loss sum: parts is a list of losses with their weights")
    for number, part in enumerate(parts):
        component = nested_loss(part, f"loss.parts.{number}")
        arguments = component.arguments
        weight = arguments.pop("weight", 1.0)
        boolean = isinstance(weight, bool)
        if boolean or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise MaskgateError(
                f"loss.parts.{number}.weight is a number of 0 or more, not"
                f" {shorten_middle(yaml12.line(weight), 60, 20)}"
            )
        yield Component(name=component.name, **arguments), float(weight)
