"""From features (N, F) to log-probabilities (N, 18), by the name in `model.head`."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from maskgate import labels


class Factored(nn.Module):
    """Mask, gender and age band apart, their log-probabilities added up to the 18 classes.

    What is rare (60 and over, worn wrongly) borrows from what is common.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.sizes = labels.SIZES
        self.linear = nn.Linear(features, sum(labels.SIZES))
        parts = labels.decode(torch.arange(labels.COUNT).numpy())
        for name, codes in zip(labels.ATTRIBUTES, parts, strict=True):
            self.register_buffer(name, torch.from_numpy(codes).long(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        logits = self.linear(features).float().split(self.sizes, dim=1)
        parts = [part.log_softmax(1) for part in logits]
        codes = (self.get_buffer(name) for name in labels.ATTRIBUTES)
        return torch.stack([part[:, code] for part, code in zip(parts, codes, strict=True)]).sum(0)


class Joint(nn.Module):
    """One softmax over the 18 classes."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, labels.COUNT)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features).float().log_softmax(1)


HEADS: Final[dict[str, Callable[[int], nn.Module]]] = {"factored": Factored, "joint": Joint}
