"""From several members' probabilities to one answer: a combination, then adjustments, by name.

It needs NumPy alone. What some of them have learned is given to them; `ensemble.learning` learns.
"""

import inspect
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from maskgate import labels
from maskgate.config import yaml12
from maskgate.config.settings import Component, lookup
from maskgate.config.system import System
from maskgate.core import finite
from maskgate.ensemble import near_tie, offsets, stacking, votes, weights
from maskgate.ensemble.votes import Floats, Voice
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
}
# Whoever takes `learned` is given what was learned under its name.
LEARNED: Final = frozenset(
    name
    for name, function in (COMBINATIONS | ADJUSTMENTS).items()
    if "learned" in inspect.signature(function).parameters
)
_OF_SOME: Final = ("attributes", "weights", "stacking")  # may have members that know not all
_REMEDY: Final = "what it has learned is damaged; combine anew, or in another way"
_GIVEN: Final = ("probabilities", "voices", "learned")  # what is no argument of a user's


@dataclass(frozen=True)
class EnsembleSpec:
    """How members are to be combined, and their combined answer adjusted, in this order."""

    combine: Component
    adjust: tuple[Component, ...] = ()

    @classmethod
    def of(cls, system: System) -> "EnsembleSpec":
        """What a system asks for."""
        return cls(system.combine, system.adjust)

    @property
    def learns(self) -> bool:
        """Whether it needs photos whose truth is known."""
        return any(each.name in LEARNED for each in (self.combine, *self.adjust))

    @property
    def names(self) -> list[str]:
        return [self.combine.name, *(each.name for each in self.adjust)]


@dataclass(frozen=True)
class Combination:
    """A way to combine, with what it has `learned`, by name and ready for JSON."""

    wanted: EnsembleSpec
    learned: Mapping[str, Any]

    def __call__(self, voices: Sequence[Voice]) -> Floats:
        """Probabilities (N, 18) of what the members say together."""
        return self.steps(voices)[-1]

    def steps(self, voices: Sequence[Voice]) -> list[Floats]:
        """The probabilities (N, 18) after the combination, and after each adjustment. Raises
        MaskgateError where one is not finite."""
        named = self.wanted.combine
        told = COMBINATIONS[named.name](voices, **self._given(named))
        finite.check(told, f"combine {named.name}", _REMEDY)
        found = [told]
        for named in self.wanted.adjust:
            told = ADJUSTMENTS[named.name](told, voices, **self._given(named))
            finite.check(told, f"adjust {named.name}", _REMEDY)
            found.append(told)
        return found

    def _given(self, named: Component) -> dict[str, Any]:
        learned = {"learned": self.learned[named.name]} if named.name in LEARNED else {}
        return named.arguments | learned


def check_names(wanted: EnsembleSpec) -> None:
    """Raise MaskgateError for an unknown name, a wrong argument, and an adjustment given twice."""
    for kind, named, known in (
        ("combine", wanted.combine, COMBINATIONS),
        *(("adjust", named, ADJUSTMENTS) for named in wanted.adjust),
    ):
        function = lookup("combination" if kind == "combine" else "adjustment", named.name, known)
        _check_arguments(kind, named, function)
    if twice := {name for name in wanted.names if wanted.names.count(name) > 1}:
        raise MaskgateError(f"adjust: {min(twice)} stands there twice; leave one out")


def check(wanted: EnsembleSpec, attributes: Sequence[tuple[str, ...]]) -> None:
    """Raise MaskgateError where members that know these attributes cannot be combined so."""
    check_names(wanted)
    every, name = set(labels.ATTRIBUTES), wanted.combine.name
    if name in _OF_SOME:
        if missing := every - {attribute for each in attributes for attribute in each}:
            raise MaskgateError(
                f"combine {name}: no member knows {', '.join(sorted(missing))}; add one"
            )
    elif any(set(each) != every for each in attributes):
        raise MaskgateError(
            f"combine {name} is for members that know all attributes; use"
            f" {', '.join(_OF_SOME[:-1])} or {_OF_SOME[-1]}"
        )
    if "near_tie" in wanted.names:
        near_tie.check(attributes)


def _check_arguments(kind: str, named: Component, function: Callable[..., Floats]) -> None:
    known = [name for name in inspect.signature(function).parameters if name not in _GIVEN]
    if odd := sorted(set(named.arguments) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no arguments"
        raise MaskgateError(f"{kind} {named.name} {takes}; remove {', '.join(odd)}")
    for key, value in named.arguments.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value >= 0):
            shown = yaml12.line(value) if isinstance(value, bool) else value
            raise MaskgateError(f"{kind} {named.name}: {key} is a number from 0, not {shown}")


def unlike(
    wanted: EnsembleSpec, learned: Mapping[str, Any], attributes: Sequence[Collection[str]]
) -> str:
    """In what `learned`, of the types that `learn` gives, is not of members that know these
    attributes and are combined so; nothing where it fits."""
    if missing := [name for name in wanted.names if name in LEARNED and name not in learned]:
        return f"nothing is learned for {missing[0]}"
    for name, values in labels.ATTRIBUTES.items():
        count, size = sum(name in each for each in attributes), len(values)
        if "weights" in learned:
            weights = learned["weights"].get(name, [])
            if len(weights) != count or not sum(weights) > 0:
                return f"weights are not of {count} members that know {name}"
        if "stacking" in learned:
            model = learned["stacking"].get(name, {"weights": [], "bias": []})
            rows = [len(model["bias"]), *map(len, model["weights"])]
            if rows != [size] * (count * size + 1):
                return f"stacking is not of {count} members that know {name}"
    every = [at for at, each in enumerate(attributes) if set(each) == set(labels.ATTRIBUTES)]
    if "near_tie" in learned and not set(learned["near_tie"]["best"]) <= set(every):
        return "near_tie names members that do not know all attributes"
    return ""
