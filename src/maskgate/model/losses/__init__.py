"""Losses by the name in a recipe.

The losses of `class_losses` use only classes. Here they are applied to a network's output, for the
18 classes or per attribute, and may be summed. Other losses also use `heads.Output.loss_inputs`.
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
from maskgate.model.losses.distillation import Distillation
from maskgate.model.losses.fine_age import FineAge
from maskgate.model.losses.label_distribution import LabelDistribution
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import CLASSES
from maskgate.model.losses.mean_variance import MeanVariance
from maskgate.model.losses.per_attribute import PerAttribute
from maskgate.model.losses.supervised_contrastive import SupervisedContrastive
from maskgate.model.losses.triplet import Triplet
from maskgate.model.losses.weighted_sum import WeightedSum, read_parts


def _sum(counts: Counts, head: Head, parts: Sequence[Any]) -> Loss:
    """A weighted sum of `parts`: each a loss with its arguments, and its `weight` (1 if not given).

    For example 0.4 F1 + 0.6 focal (S3), or a classification loss and a contrastive one.
    """
    losses, weights = [], []
    for component, weight in read_parts(parts):
        losses.append(create(component, counts, head))
        weights.append(weight)
    return WeightedSum(losses, weights)


_COMPOSITE_LOSSES: Final[dict[str, Callable[..., Loss]]] = {
    "per_attribute": PerAttribute,
    "sum": _sum,
}
_OUTPUT_LOSSES: Final[dict[str, Callable[..., Loss]]] = {
    "binary_cross_entropy": BinaryCrossEntropy,
    "arcface": ArcFace,
    "age_regression": AgeRegression,
    "distillation": Distillation,
    "fine_age": FineAge,
    "label_distribution": LabelDistribution,
    "mean_variance": MeanVariance,
    "supervised_contrastive": SupervisedContrastive,
    "triplet": Triplet,
}
LOSSES: Final[dict[str, Callable[..., nn.Module]]] = (
    CLASS_LOSSES | _COMPOSITE_LOSSES | _OUTPUT_LOSSES
)


def create(component: Component, counts: Counts, head: Head) -> Loss:
    """The loss of a recipe, for the class counts of the training photos and the outputs of `head`.

    `counts` are the training photos of each class, `classes` (18,), and per attribute (K,). Raises
    MaskgateError for an unknown name or argument, or if the head lacks an output that it needs.
    """
    lookup("loss", component.name, LOSSES)
    try:
        if component.name in CLASS_LOSSES:
            attribute = CLASSES if len(head.attributes) > 1 else head.attributes[0]
            return Classification(create_class_loss(component, counts[attribute]), attribute)
        arguments.check(LOSSES[component.name], component.arguments)
        if component.name in _COMPOSITE_LOSSES:
            return _COMPOSITE_LOSSES[component.name](counts, head, **component.arguments)
        loss = _OUTPUT_LOSSES[component.name](**component.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"loss {component.name}: {error}; see docs/recipe.md") from error
    if missing := loss.needs - head.provides:
        raise MaskgateError(
            f"loss {component.name} needs a head that gives {', '.join(sorted(missing))}; see"
            " model.head in docs/recipe.md"
        )
    return loss


def check_use(loss: Loss, head: Head, has_teacher: bool = False) -> None:
    """Raise MaskgateError if no loss trains the head's classes, or the age that it regresses, or
    uses the teacher, or if one needs a teacher and there is none."""
    if not loss.trains_classes:
        raise MaskgateError(
            "the loss does not train the classes; make it a sum with cross_entropy or the like"
        )
    if "age" in head.provides - loss.needs:
        raise MaskgateError(
            "model.head regresses the age, but no loss uses it; add age_regression to the loss"
        )
    if loss.needs_teacher and not has_teacher:
        raise MaskgateError(
            "loss distillation needs a teacher; set teacher to a run or a bundle, or leave"
            " distillation out"
        )
    if has_teacher and not loss.needs_teacher:
        raise MaskgateError(
            "teacher is set, but no loss uses it; add distillation to the loss, or leave teacher"
            " out"
        )


def set_progress(loss: Loss, share: float) -> None:
    """Set the `share` of training done so far, 0 to 1, in the losses that depend on it."""
    for module in loss.modules():
        if hasattr(module, "share_done"):
            module.share_done = share  # type: ignore[assignment]
