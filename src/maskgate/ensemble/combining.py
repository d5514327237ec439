"""From several members' probabilities to one: a combination, then adjustments, by name.

It needs NumPy alone. What a combination has learned is passed to it; `ensemble.learning` fits it.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from maskgate import labels
from maskgate.config import yaml12
from maskgate.config.settings import Component, lookup
from maskgate.config.system import System
from maskgate.core import finite
from maskgate.ensemble import calibration, near_tie, offsets, stacking, votes, weights
from maskgate.ensemble.votes import Floats, MemberProbabilities
from maskgate.errors import MaskgateError

COMBINATIONS: Final[dict[str, Callable[..., Floats]]] = {
    "soft_vote": votes.soft_vote,
    "hard_vote": votes.hard_vote,
    "attributes": votes.by_attribute,
    "weights": weights.weights,
    "stacking": stacking.stacking,
}
ADJUSTMENTS: Final[dict[str, Callable[..., Floats]]] = {
    "near_tie": near_tie.near_tie,
    "offsets": offsets.offsets,
    "calibrate": calibration.calibrate,
    "calibrate_vector": calibration.calibrate_vector,
}
CALIBRATIONS: Final = frozenset({"calibrate", "calibrate_vector"})
"""The adjustments after which a probability is the share of photos that are right."""
# A function with a parameter `learned` gets what was learned under its name.
LEARNED: Final = frozenset(
    name
    for name, function in (COMBINATIONS | ADJUSTMENTS).items()
    if "learned" in inspect.signature(function).parameters
)
# Combinations whose members need not predict all attributes.
_ACCEPT_PARTIAL_MEMBERS: Final = ("attributes", "weights", "stacking")
_REMEDY: Final = "what it has learned is damaged; combine again, or in another way"
INTERNAL_PARAMETERS: Final = ("probabilities", "members", "learned")
"""Parameters of these functions that a user cannot set."""


@dataclass(frozen=True)
class EnsembleSpec:
    """How members are combined, and how their combined probabilities are adjusted, in order."""

    combine: Component
    adjust: tuple[Component, ...] = ()

    @classmethod
    def from_system(cls, system: System) -> "EnsembleSpec":
        """The combination and adjustments that a system file asks for."""
        return cls(system.combine, system.adjust)

    @property
    def learns(self) -> bool:
        """Whether it must be fitted on photos with known labels."""
        return any(name in LEARNED for name in self.names)

    @property
    def names(self) -> list[str]:
        """The name of the combination, then those of the adjustments."""
        return [self.combine.name, *(method.name for method in self.adjust)]


@dataclass(frozen=True)
class Combination:
    """A way to combine, with what it has `learned`, by name and ready for JSON."""

    spec: EnsembleSpec
    learned: Mapping[str, Any]

    def __call__(self, members: Sequence[MemberProbabilities]) -> Floats:
        """The members' combined and adjusted probabilities (N, 18)."""
        return self.steps(members)[-1]

    def steps(self, members: Sequence[MemberProbabilities]) -> list[Floats]:
        """The probabilities (N, 18) after the combination, and after each adjustment. Raises
        MaskgateError where one is not finite."""
        method = self.spec.combine
        probabilities = COMBINATIONS[method.name](members, **self._arguments(method))
        finite.check(probabilities, f"combine {method.name}", _REMEDY)
        steps = [probabilities]
        for method in self.spec.adjust:
            adjust = ADJUSTMENTS[method.name]
            probabilities = adjust(probabilities, members, **self._arguments(method))
            finite.check(probabilities, f"adjust {method.name}", _REMEDY)
            steps.append(probabilities)
        return steps

    def _arguments(self, method: Component) -> dict[str, Any]:
        learned = {"learned": self.learned[method.name]} if method.name in LEARNED else {}
        return method.arguments | learned


def check_names(spec: EnsembleSpec) -> None:
    """Raise MaskgateError for an unknown name, a wrong argument, and a repeated adjustment."""
    for kind, method, known in (
        ("combine", spec.combine, COMBINATIONS),
        *(("adjust", method, ADJUSTMENTS) for method in spec.adjust),
    ):
        function = lookup("combination" if kind == "combine" else "adjustment", method.name, known)
        _check_arguments(kind, method, function)
    if repeated := {name for name in spec.names if spec.names.count(name) > 1}:
        raise MaskgateError(f"adjust: {min(repeated)} is listed twice; remove one")


def check(spec: EnsembleSpec, member_attributes: Sequence[tuple[str, ...]]) -> None:
    """Raise MaskgateError where members that predict these attributes cannot be combined so."""
    check_names(spec)
    every, name = set(labels.ATTRIBUTES), spec.combine.name
    if name in _ACCEPT_PARTIAL_MEMBERS:
        if missing := every.difference(*member_attributes):
            raise MaskgateError(
                f"combine {name}: no member predicts {', '.join(sorted(missing))}; add one"
            )
    elif any(set(attributes) != every for attributes in member_attributes):
        raise MaskgateError(
            f"combine {name} is for members that predict all attributes; use"
            f" {', '.join(_ACCEPT_PARTIAL_MEMBERS[:-1])} or {_ACCEPT_PARTIAL_MEMBERS[-1]}"
        )
    if "near_tie" in spec.names:
        near_tie.check(member_attributes)


def _check_arguments(kind: str, method: Component, function: Callable[..., Floats]) -> None:
    parameters = inspect.signature(function).parameters
    known = [name for name in parameters if name not in INTERNAL_PARAMETERS]
    if odd := sorted(set(method.arguments) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no arguments"
        raise MaskgateError(f"{kind} {method.name} {takes}; remove {', '.join(odd)}")
    for key, value in method.arguments.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value >= 0):
            text = yaml12.line(value) if isinstance(value, bool) else value
            raise MaskgateError(f"{kind} {method.name}: {key} is a number from 0, not {text}")
