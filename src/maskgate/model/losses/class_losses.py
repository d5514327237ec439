"""Losses over classes, by the name in a recipe: from log-probabilities and a target to a scalar.

Each is created with the number of training photos per class (C,) and called with log-probabilities
(N, C) and a target (N, C): true for every class that agrees with the known labels, or probabilities
(`pipeline.target.Target`). Photos without any label count 0. All but F1 are means over the batch.
All work for the 18 classes and for one attribute.
"""

from collections.abc import Callable
from typing import Final

from torch import nn

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError
from maskgate.model.losses.counts import ClassCounts
from maskgate.model.losses.cross_entropy import CrossEntropy
from maskgate.model.losses.f1 import F1
from maskgate.model.losses.focal import Focal
from maskgate.model.losses.label_smoothing import LabelSmoothing
from maskgate.model.losses.ldam import LDAM
from maskgate.model.losses.logit_adjusted import LogitAdjusted

CLASS_LOSSES: Final[dict[str, Callable[..., nn.Module]]] = {
    "cross_entropy": CrossEntropy,
    "label_smoothing": LabelSmoothing,
    "focal": Focal,
    "f1": F1,
    "ldam": LDAM,
    "logit_adjusted": LogitAdjusted,
}


def create_class_loss(component: Component, counts: ClassCounts) -> nn.Module:
    """The class loss of that name; `counts` (C,) are the training photos per class.

    Raises MaskgateError for an unknown name or argument.
    """
    make = lookup("class loss", component.name, CLASS_LOSSES)
    try:
        arguments.check(make, component.arguments)
        loss: nn.Module = make(counts, **component.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"loss {component.name}: {error}; see docs/recipe.md") from error
    return loss
