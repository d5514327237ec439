"""Losses by the name in a recipe.

Those of `class_losses` look at classes alone. Here they are applied to a network's output: to the
18 classes, or to each attribute; added up; and joined by those that need more of the output than
its classes (`heads.Output.more`).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from maskgate import arguments, yaml12
from maskgate.config import WRONG_ARGUMENTS, Named, lookup
from maskgate.errors import MaskgateError, shortened
from maskgate.images.target import Target
from maskgate.model.heads import Head, Output
from maskgate.model.losses.age_regression import AgeRegression
from maskgate.model.losses.arcface import ArcFace
from maskgate.model.losses.binary_cross_entropy import BinaryCrossEntropy
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.model.losses.counts import ClassCounts, Counts
from maskgate.model.losses.fine_age import FineAge
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import CLASSES, marginal, marginal_target
from maskgate.model.losses.supervised_contrastive import SupervisedContrastive
from maskgate.model.losses.triplet import Triplet


class OfClasses(Loss):
    """A class loss over the 18 classes, or over one attribute `of` them."""

    def __init__(self, loss: nn.Module, of: str = CLASSES) -> None:
        super().__init__()
        self.loss, self.of = loss, of

    def forward(self, output: Output, target: Target) -> Tensor:
        if self.of == CLASSES:
            return self.loss(output.log_probabilities, target.classes)
        log_p = marginal(output.log_probabilities, self.of)
        return self.loss(log_p, marginal_target(target.classes, self.of))


class PerAttribute(Loss):
    """One class loss an attribute, added up: the sum of one cross-entropy per attribute (S0).

    Each of `mask`, `gender` and `age_band` is a class loss: its name, or the name with arguments.
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
        wanted = {"mask": mask, "gender": gender, "age_band": age_band}
        self.parts = nn.ModuleList(
            OfClasses(_class_loss(_named(wanted[name], f"loss.{name}"), counts[name]), name)
            for name in head.knows
        )

    def forward(self, output: Output, target: Target) -> Tensor:
        return torch.stack([part(output, target) for part in self.parts]).sum()


class Sum(Loss):
    """A weighted sum of `parts`: each a loss with its arguments, and its `weight` (1 if not given).

    Such as S3's and others' 0.4 F1 + 0.6 focal, or a classifier's loss and a contrastive one.
    """

    def __init__(self, counts: Counts, head: Head, parts: Sequence[Any]) -> None:
        super().__init__()
        if not isinstance(parts, list | tuple) or not parts:
            raise MaskgateError("loss sum: parts is a list of losses with their weights")
        self.weights, made = [], []
        for number, part in enumerate(parts):
            named = _named(part, f"loss.parts.{number}")
            given = named.arguments
            weight = given.pop("weight", 1.0)
            true = isinstance(weight, bool)
            if true or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
                raise MaskgateError(
                    f"loss.parts.{number}.weight is a number of 0 or more, not"
                    f" {shortened(yaml12.line(weight), 60, 20)}"
                )
            self.weights.append(float(weight))
            made.append(create(Named(name=named.name, **given), counts, head))
        self.parts = nn.ModuleList(made)
        self.needs = frozenset().union(*(part.needs for part in made))
        self.teaches = any(
            part.teaches and weight > 0 for part, weight in zip(made, self.weights, strict=True)
        )

    def forward(self, output: Output, target: Target) -> Tensor:
        terms = zip(self.weights, self.parts, strict=True)
        return torch.stack([weight * part(output, target) for weight, part in terms]).sum()


# --------------------------------------------------------------------------------- by name

_MADE_OF_OTHERS: Final[dict[str, Callable[..., Loss]]] = {
    "per_attribute": PerAttribute,
    "sum": Sum,
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


def create(named: Named, counts: Counts, head: Head) -> Loss:
    """The loss of a recipe, for photos counted as `counts` and the outputs of `head`.

    `counts` holds the training photos of each class, `classes` (18,), and per attribute (K,).
    Raises MaskgateError for an unknown name or argument, or where the head does not suit.
    """
    lookup("loss", named.name, LOSSES)
    try:
        if named.name in CLASS_LOSSES:
            of = CLASSES if len(head.knows) > 1 else head.knows[0]
            return OfClasses(_class_loss(named, counts[of]), of)
        arguments.check(LOSSES[named.name], named.arguments)
        if named.name in _MADE_OF_OTHERS:
            return _MADE_OF_OTHERS[named.name](counts, head, **named.arguments)
        loss = _OF_OUTPUTS[named.name](**named.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"loss {named.name}: {error}; see docs/recipe.md") from error
    if missing := loss.needs - head.gives:
        raise MaskgateError(
            f"loss {named.name} needs a head that gives {', '.join(sorted(missing))}; see"
            " model.head in docs/recipe.md"
        )
    return loss


def check_use(loss: Loss, head: Head) -> None:
    """Raise MaskgateError where no loss looks at an age the head regresses, or at its classes."""
    if not loss.teaches:
        raise MaskgateError(
            "the loss teaches no classes; make it a sum, with cross_entropy or the like beside it"
        )
    if "age" in head.gives - loss.needs:
        raise MaskgateError(
            "model.head regresses the age, but no loss looks at it; add age_regression to the loss"
        )


def tell_progress(loss: Loss, share: float) -> None:
    """Let the parts of a loss that change with the training know its `share` done, from 0 to 1."""
    for module in loss.modules():
        if hasattr(module, "share_done"):
            module.share_done = share  # type: ignore[assignment]


def _class_loss(named: Named, counts: ClassCounts) -> nn.Module:
    make = lookup("class loss", named.name, CLASS_LOSSES)
    try:
        arguments.check(make, named.arguments)
        loss: nn.Module = make(counts, **named.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"loss {named.name}: {error}; see docs/recipe.md") from error
    return loss


def _named(value: Any, where: str) -> Named:
    try:
        return Named.model_validate({"name": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise MaskgateError(f"{where}: a loss is a name, or a mapping with its name") from error
