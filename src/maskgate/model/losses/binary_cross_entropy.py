"""Binary cross-entropy: a yes-or-no decision for every value of every attribute."""

import torch
from torch import Tensor
from torch.nn import functional

from maskgate import labels
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import marginal_target
from maskgate.pipeline.target import Target


class BinaryCrossEntropy(Loss):
    """The sum of the binary cross-entropies of the eight values; for the head `multi_label`.

    Values that a partial label leaves open count 0.
    """

    needs = frozenset({"logits"})

    def forward(self, output: Output, target: Target) -> Tensor:
        targets, masks = [], []
        for name in labels.ATTRIBUTES:
            values = marginal_target(target.classes, name)
            targets.append(values.float())
            certain = torch.ones_like(values, dtype=torch.bool)
            if not values.is_floating_point():
                certain = ~values | (values.sum(1, keepdim=True) == 1)
            masks.append(certain)
        loss = functional.binary_cross_entropy_with_logits(
            output.loss_inputs["logits"], torch.cat(targets, 1), reduction="none"
        )
        return (loss * torch.cat(masks, 1)).sum(1).mean()
