"""A class loss applied to a network's output."""

from torch import Tensor, nn

from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import CLASSES, marginal, marginal_target
from maskgate.pipeline.target import Target


class Classification(Loss):
    """A class loss over the 18 classes, or over one attribute `of` them.

    `loss` is one of `class_losses`: log-probabilities (N, C) and a target (N, C) to a scalar.
    """

    def __init__(self, loss: nn.Module, attribute: str = CLASSES) -> None:
        super().__init__()
        self.loss, self.attribute = loss, attribute

    def forward(self, output: Output, target: Target) -> Tensor:
        if self.attribute == CLASSES:
            return self.loss(output.log_probabilities, target.classes)
        log_p = marginal(output.log_probabilities, self.attribute)
        return self.loss(log_p, marginal_target(target.classes, self.attribute))
