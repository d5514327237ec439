"""Losses by the name in a recipe.

Those of `class_losses` look at classes alone. Here they are applied to a network's output: to the
18 classes, or to each attribute; added up; and joined by those that need more of the output than
its classes (`heads.Output.loss_inputs`).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from torch import nn

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError
from maskgate.model.heads import Head
from maskgate.model.losses.age_regression import AgeRegression
from maskgate.model.losses.arcface import ArcFace
from maskgate.model.losses.binary_cross_entropy import BinaryCrossEntropy
from maskgate.model.losses.class_losses import CLASS_LOSSES, create_class_loss
from maskgate.model.losses.classification import Classification
from maskgate.model.losses.counts import Counts
from maskgate.model.losses.fine_age import FineAge
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import CLASSES
from maskgate.model.losses.per_attribute import PerAttribute
from maskgate.model.losses.supervised_contrastive import SupervisedContrastive
from maskgate.model.losses.triplet import Triplet
from maskgate.model.losses.weighted_sum import WeightedSum, read_parts


def _sum(counts: Counts, head: Head, parts: Sequence[Any]) -> Loss:
    """A weighted sum of `parts`: each a loss with its arguments, and its `weight` (1 if not given).

    Such as S3's and others' 0.4 F1 + 0.6 focal, or a classifier's loss and a contrastive one.
    """
    losses, weights = [], []
    for component, weight in read_parts(parts):
        losses.append(create(component, counts, head))
        weights.append(weight)
    return WeightedSum(losses, weights)


_MADE_OF_OTHERS: Final[dict[str, Callable[..., Loss]]] = {
    "per_attribute": PerAttribute,
    "sum": _sum,
}
_OF_OUTPUTS: Final[dict[str, Callable[..., Loss]]] = {
    "binary_cross_entropy": BinaryCrossEntropy,
    "arcface": ArcFace,
    "age_regression": AgeRegression,
    "fine_age": FineAge,
    "supervised_contrastive": SupervisedContrastive,
    "triplet": Triplet,
}
LOSSES: Final[dict[str, Callable[..., nn.Module]]] = CLASS_LOSSES | _MADE_OF_OTHERS | _OF_OUTPUTS


def create(component: Component, counts: Counts, head: Head) -> Loss:
    """The loss of a recipe, for photos counted as `counts` and the outputs of `head`.

    `counts` holds the training photos of each class, `classes` (18,), and per attribute (K,).
    Raises MaskgateError for an unknown name or argument, or where the head does not suit.
    """
    lookup("loss", component.name, LOSSES)
    try:
        if component.name in CLASS_LOSSES:
            of = CLASSES if len(head.attributes) > 1 else head.attributes[0]
            return Classification(create_class_loss(component, counts[of]), of)
        arguments.check(LOSSES[component.name], component.arguments)
        if component.name in _MADE_OF_OTHERS:
            return _MADE_OF_OTHERS[component.name](counts, head, **component.arguments)
        loss = _OF_OUTPUTS[component.name](**component.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"loss {component.name}: {error}; see docs/recipe.md") from error
    if missing := loss.needs - head.provides:
        raise MaskgateError(
            f"loss {component.name} needs a head that gives {', '.join(sorted(missing))}; see"
            " model.head in docs/recipe.md"
        )
    return loss


def check_use(loss: Loss, head: Head) -> None:
    """Raise MaskgateError where no loss looks at an age the head regresses, or at its classes."""
    if not loss.trains_classes:
        raise MaskgateError(
            "the loss teaches no classes; make it a sum, with cross_entropy or the like beside it"
        )
    if "age" in head.provides - loss.needs:
        raise MaskgateError(
            "model.head regresses the age, but no loss looks at it; add age_regression to the loss"
        )


def set_progress(loss: Loss, share: float) -> None:
    """Set the `share` of the training that is done, 0 to 1, in the losses that change with it."""
    for module in loss.modules():
        if hasattr(module, "share_done"):
            module.share_done = share  # type: ignore[assignment]
