"""From features (N, F) to log-probabilities (N, 18), by the name in `model.head`.

A head may return other tensors too, which some losses need (`Head.provides`). A head of one
attribute predicts only that one (`Head.attributes`): in its 18 columns, all values of the others
are equally likely.
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

FINE: Final = (25, 30, 40, 50, 55, 60)  # ages at which the fine age classes after the first begin
_AGES: Final = ("bands", "ordinal", "fine", "years")
_OLDEST: Final = 100  # the last of the single years, with all ages above
# The output with log-probabilities of the classes that bands are summed from.
_SUMMED: Final = {"fine": "fine_age", "years": "age_distribution"}


class Output(NamedTuple):
    """A network's output: `log_probabilities` (N, 18), and other tensors for losses by name.

    `loss_inputs` has the `features` (N, F) that the head received, and all that it `provides`.
    """

    log_probabilities: Tensor
    loss_inputs: dict[str, Tensor]


def expected_age(log_years: Tensor) -> Tensor:
    """The mean age in years (N,) of log-probabilities (N, 101) of the single years."""
    years = torch.arange(log_years.shape[1], dtype=log_years.dtype, device=log_years.device)
    return (log_years.exp() * years).sum(1)  # a product of matrices may be in 16 bits


class Head(nn.Module):
    """What all heads share: which attributes they predict, and their sum over the 18 classes."""

    provides: frozenset[str] = frozenset()
    attributes: tuple[str, ...] = tuple(labels.ATTRIBUTES)

    def __init__(self) -> None:
        super().__init__()
        parts = labels.decode(np.arange(labels.COUNT))
        for name, codes in zip(labels.ATTRIBUTES, parts, strict=True):
            self.register_buffer(name, torch.from_numpy(codes).long(), persistent=False)

    def add_up(self, parts: dict[str, Tensor]) -> Tensor:
        """(N, 18) from log-probabilities (N, K) of each attribute that this head predicts."""
        total = torch.stack([part[:, self.get_buffer(name)] for name, part in parts.items()]).sum(0)
        open_sizes = [len(v) for name, v in labels.ATTRIBUTES.items() if name not in parts]
        return total - math.log(math.prod(open_sizes))


class Joint(Head):
    """One softmax over the 18 classes."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, labels.COUNT)

    def forward(self, features: Tensor) -> Output:
        return Output(self.linear(features).float().log_softmax(1), {"features": features})


class Separate(Head):
    """A softmax for each of its `attributes`, their log-probabilities added up.

    `age`, `fine_ages` and `regress_age` are those of `factored`; only for heads that predict the
    age band. Raises MaskgateError.
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
            raise MaskgateError(f"head: a head of {attributes[0]} has no ages to predict")
        self.attributes, self.age = attributes, age
        starts = np.array([0.0, *(range(1, _OLDEST + 1) if age == "years" else fine_ages)])
        is_rising = np.isfinite(starts).all() and (np.diff(starts) > 0).all()
        if age == "fine" and not (is_rising and set(labels.AGE_BOUNDARIES) <= set(fine_ages)):
            raise MaskgateError("head: fine_ages must rise, and include the boundaries 30 and 60")
        # Apple's devices have no float64.
        ages = torch.tensor(starts[1:], dtype=torch.float32)
        self.register_buffer("starts", ages, persistent=False)
        band_of_fine = torch.from_numpy(labels.age_band(starts))
        for band in range(len(labels.AGE_BANDS)):
            fine = (band_of_fine == band).nonzero()[:, 0]
            self.register_buffer(f"fine_of_band_{band}", fine, persistent=False)
        sizes = {name: len(labels.ATTRIBUTES[name]) for name in attributes}
        if "age_band" in sizes:
            sizes["age_band"] = {"bands": sizes["age_band"], "ordinal": 2}.get(age, len(starts))
        self.sizes = tuple(sizes.values())
        self.linear = nn.Linear(features, sum(self.sizes))
        self.years = nn.Linear(features, 1) if regress_age else None
        self.provides = frozenset({"age"} if regress_age else ()) | frozenset(
            {_SUMMED[age]} if age in _SUMMED else ()
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
            # In units of ten years around 40, so that the initial outputs are near typical ages.
            loss_inputs["age"] = 40 + 10 * self.years(features).float().squeeze(1)
        return Output(self.add_up(parts), loss_inputs)

    def _ages(self, logits: Tensor, loss_inputs: dict[str, Tensor]) -> Tensor:
        """Log-probabilities (N, 3) of the age bands."""
        if self.age == "ordinal":
            log_above, log_below = functional.logsigmoid(logits), functional.logsigmoid(-logits)
            middle, old = log_above[:, 0] + log_below[:, 1], log_above[:, 0] + log_above[:, 1]
            return torch.stack([log_below[:, 0], middle, old], dim=1)
        if self.age in _SUMMED:
            fine = loss_inputs[_SUMMED[self.age]] = logits.log_softmax(1)
            loss_inputs["fine_age_starts"] = self.get_buffer("starts")
            # Columns by number: an ONNX graph cannot pick them by a mask.
            bands = range(len(labels.AGE_BANDS))
            columns = [self.get_buffer(f"fine_of_band_{band}") for band in bands]
            return torch.stack([fine[:, each].logsumexp(1) for each in columns], dim=1)
        return logits.log_softmax(1)


def factored(
    features: int,
    age: str = "bands",
    fine_ages: Sequence[float] = FINE,
    regress_age: bool = False,
) -> Separate:
    """A softmax each for mask, gender and age band; log-probabilities are added to 18 classes.

    Rare classes (60 and over, worn wrongly) share outputs with frequent ones. `age` is `bands` (one
    softmax), `ordinal` (≥30, and of those ≥60: CORN, Shi et al. 2021), `fine` (a softmax over
    classes that begin at `fine_ages`, summed to bands: S1) or `years` (a softmax over the single
    years 0 to 100, summed to bands: for `label_distribution` and `mean_variance`). `regress_age`
    also predicts the age in years, for the loss `age_regression` (S2). Raises MaskgateError.
    """
    attributes = tuple(labels.ATTRIBUTES)
    return Separate(features, attributes, age=age, fine_ages=fine_ages, regress_age=regress_age)


def one_attribute(
    features: int,
    of: str,
    age: str = "bands",
    fine_ages: Sequence[float] = FINE,
    regress_age: bool = False,
) -> Separate:
    """Only one attribute, `of`: a member of a system with one model per attribute (S0, S1).

    `age`, `fine_ages` and `regress_age` as in `factored`, if `of` is the age band. Raises
    MaskgateError.
    """
    lookup("attribute", of, labels.ATTRIBUTES)
    return Separate(features, (of,), age=age, fine_ages=fine_ages, regress_age=regress_age)


class MultiLabel(Head):
    """Eight yes-or-no outputs, one per value; those of an attribute are scaled to sum to 1.

    Trained with the loss `binary_cross_entropy`, or any other.
    """

    provides = frozenset({"logits"})

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, sum(labels.SIZES))

    def forward(self, features: Tensor) -> Output:
        logits = self.linear(features).float()
        log_yes = torch.split(functional.logsigmoid(logits), list(labels.SIZES), dim=1)
        parts = {n: y.log_softmax(1) for n, y in zip(labels.ATTRIBUTES, log_yes, strict=True)}
        return Output(self.add_up(parts), {"features": features, "logits": logits})


class Cosine(Head):
    """Logits from the angle between the features and one direction per value, for `arcface`.

    The logits are `scale` times the cosines (Deng et al. 2019; S3 tried it for the age).
    """

    provides = frozenset({"cosines"})

    def __init__(self, features: int, scale: float = 16.0) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise MaskgateError(f"head cosine: scale must be above 0, not {scale}")
        self.directions = nn.Parameter(torch.empty(sum(labels.SIZES), features))
        nn.init.xavier_uniform_(self.directions)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, features: Tensor) -> Output:
        # In 16 bits, `scale` would amplify the cosines' rounding errors.
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
    """The attributes that a recipe's head predicts."""
    return create(component, 1).attributes
