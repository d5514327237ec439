"""From features (N, F) to log-probabilities (N, 18), by the name in `model.head`.

A head may give more than that, which some losses ask for by name (`Head.provides`). A head of one
attribute predicts that one alone (`Head.attributes`) and leaves the others open: they are all as
likely in its 18 columns.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from maskgate import labels
from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError, listed

FINE: Final = (25, 30, 40, 50, 55, 60)  # ages at which finer classes begin, beside the youngest
_AGES: Final = ("bands", "ordinal", "fine")


class Output(NamedTuple):
    """A network's output: `log_probabilities` (N, 18), and other tensors for losses by name.

    `loss_inputs` has the `features` (N, F) that the head received, and all that it `provides`.
    """

    log_probabilities: Tensor
    loss_inputs: dict[str, Tensor]


class Head(nn.Module):
    """What all heads share: the attributes they know, and adding those up to 18 classes."""

    provides: frozenset[str] = frozenset()
    attributes: tuple[str, ...] = tuple(labels.ATTRIBUTES)

    def __init__(self) -> None:
        super().__init__()
        parts = labels.decode(np.arange(labels.COUNT))
        for name, codes in zip(labels.ATTRIBUTES, parts, strict=True):
            self.register_buffer(name, torch.from_numpy(codes).long(), persistent=False)

    def add_up(self, parts: dict[str, Tensor]) -> Tensor:
        """(N, 18) from log-probabilities (N, K) of the attributes this head knows."""
        total = torch.stack([part[:, self.get_buffer(name)] for name, part in parts.items()]).sum(0)
        open_ones = [len(v) for name, v in labels.ATTRIBUTES.items() if name not in parts]
        return total - math.log(math.prod(open_ones))


class Joint(Head):
    """One softmax over the 18 classes."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, labels.COUNT)

    def forward(self, features: Tensor) -> Output:
        return Output(self.linear(features).float().log_softmax(1), {"features": features})


class Separate(Head):
    """A softmax for each of its `attributes`, their log-probabilities added up.

    `age`, `fine_ages` and `regress_age` as in `factored`; only where it knows the age band.
    Raises MaskgateError.
    """

    def __init__(
        self,
        features: int,
        attributes: tuple[str, ...],
        *,
        age: str,
        fine_ages: Sequence[float],
        regress_age: bool,
    ) -> None:
        super().__init__()
        if age not in _AGES:
            raise MaskgateError(f"head: age is {listed(list(_AGES))}, not {age}")
        if "age_band" not in attributes and (age != "bands" or regress_age):
            raise MaskgateError(f"head: one of {attributes[0]} alone has no ages to tell")
        self.attributes, self.age = attributes, age
        starts = np.array([0.0, *fine_ages])
        rise = np.isfinite(starts).all() and (np.diff(starts) > 0).all()
        if age == "fine" and not (rise and set(labels.AGE_BOUNDARIES) <= set(fine_ages)):
            raise MaskgateError("head: fine_ages must rise, and hold the boundaries 30 and 60")
        # Not float64, which Apple's devices lack.
        ages = torch.tensor(starts[1:], dtype=torch.float32)
        self.register_buffer("starts", ages, persistent=False)
        bands = torch.from_numpy(labels.age_band(starts)).long()
        self.register_buffer("band_of_fine", bands, persistent=False)
        sizes = {name: len(labels.ATTRIBUTES[name]) for name in attributes}
        if "age_band" in sizes:
            sizes["age_band"] = {"bands": sizes["age_band"], "ordinal": 2, "fine": len(starts)}[age]
        self.sizes = tuple(sizes.values())
        self.linear = nn.Linear(features, sum(self.sizes))
        self.years = nn.Linear(features, 1) if regress_age else None
        self.provides = frozenset({"age"} if regress_age else ()) | frozenset(
            {"fine_age"} if age == "fine" else ()
        )

    def forward(self, features: Tensor) -> Output:
        logits = self.linear(features).float().split(self.sizes, dim=1)
        loss_inputs = {"features": features}
        parts = {}
        for name, part in zip(self.attributes, logits, strict=True):
            parts[name] = (
                self._ages(part, loss_inputs) if name == "age_band" else part.log_softmax(1)
            )
        if self.years is not None:
            # Steps of ten years around 40, so that the layer starts near the ages it learns.
            loss_inputs["age"] = 40 + 10 * self.years(features).float().squeeze(1)
        return Output(self.add_up(parts), loss_inputs)

    def _ages(self, logits: Tensor, loss_inputs: dict[str, Tensor]) -> Tensor:
        """Log-probabilities (N, 3) of the age bands."""
        if self.age == "ordinal":
            over, under = functional.logsigmoid(logits), functional.logsigmoid(-logits)
            middle, old = over[:, 0] + under[:, 1], over[:, 0] + over[:, 1]
            return torch.stack([under[:, 0], middle, old], dim=1)
        if self.age == "fine":
            fine = loss_inputs["fine_age"] = logits.log_softmax(1)
            loss_inputs["fine_age_starts"] = self.get_buffer("starts")
            band = self.get_buffer("band_of_fine")
            bands = range(len(labels.AGE_BANDS))
            return torch.stack([fine[:, band == k].logsumexp(1) for k in bands], dim=1)
        return logits.log_softmax(1)


def factored(
    features: int,
    age: str = "bands",
    fine_ages: Sequence[float] = FINE,
    regress_age: bool = False,
) -> Separate:
    """Mask, gender and age band apart, their log-probabilities added up to the 18 classes.

    What is rare (60 and over, worn wrongly) borrows from what is common. `age` is `bands` (one
    softmax), `ordinal` (≥30, and of those ≥60: CORN, Shi et al. 2021) or `fine` (a softmax over
    classes that begin at `fine_ages`, added up to bands: S1). `regress_age` gives the years
    beside the classes, for the loss `age_regression` (S2). Raises MaskgateError.
    """
    every = tuple(labels.ATTRIBUTES)
    return Separate(features, every, age=age, fine_ages=fine_ages, regress_age=regress_age)


def one_attribute(
    features: int,
    of: str,
    age: str = "bands",
    fine_ages: Sequence[float] = FINE,
    regress_age: bool = False,
) -> Separate:
    """One attribute `of` the three and no other: a third of a system (S0, S1).

    `age`, `fine_ages` and `regress_age` as those of `factored`, where it is of the age band.
    Raises MaskgateError.
    """
    lookup("attribute", of, labels.ATTRIBUTES)
    return Separate(features, (of,), age=age, fine_ages=fine_ages, regress_age=regress_age)


class MultiLabel(Head):
    """Eight yes-or-no outputs, one a value; an attribute's are scaled to add up to 1.

    Learns by the loss `binary_cross_entropy`, or any other.
    """

    provides = frozenset({"logits"})

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, sum(labels.SIZES))

    def forward(self, features: Tensor) -> Output:
        logits = self.linear(features).float()
        yes = torch.split(functional.logsigmoid(logits), list(labels.SIZES), dim=1)
        parts = {n: y.log_softmax(1) for n, y in zip(labels.ATTRIBUTES, yes, strict=True)}
        return Output(self.add_up(parts), {"features": features, "logits": logits})


class Cosine(Head):
    """Three attributes by the angle between features and a direction a value, for `arcface`.

    The cosines times `scale` are the logits (Deng et al. 2019; S3 tried it for the age).
    """

    provides = frozenset({"cosines"})

    def __init__(self, features: int, scale: float = 16.0) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise MaskgateError(f"head cosine: scale is over 0, not {scale}")
        self.directions = nn.Parameter(torch.empty(sum(labels.SIZES), features))
        nn.init.xavier_uniform_(self.directions)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, features: Tensor) -> Output:
        # In 16 bits, `scale` would make logits of the cosines' rounding.
        with torch.autocast(features.device.type, enabled=False):
            directions = functional.normalize(self.directions.float())
            cosines = functional.normalize(features.float()) @ directions.T
        scale = self.get_buffer("scale")
        parts = {
            name: (scale * part).log_softmax(1)
            for name, part in zip(
                labels.ATTRIBUTES, torch.split(cosines, list(labels.SIZES), dim=1), strict=True
            )
        }
        loss_inputs = {"features": features, "cosines": cosines, "scale": scale}
        return Output(self.add_up(parts), loss_inputs)


HEADS: Final[dict[str, Callable[..., Head]]] = {
    "factored": factored,
    "joint": Joint,
    "one_attribute": one_attribute,
    "multi_label": MultiLabel,
    "cosine": Cosine,
}


def create(component: Component, features: int) -> Head:
    """The head of a recipe. Raises MaskgateError for an unknown name or argument."""
    make = lookup("head", component.name, HEADS)
    try:
        arguments.check(make, component.arguments)
        return make(features, **component.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"head {component.name}: {error}; see docs/recipe.md") from error


def attributes(component: Component) -> tuple[str, ...]:
    """The attributes that a recipe's head knows."""
    return create(component, 1).attributes
