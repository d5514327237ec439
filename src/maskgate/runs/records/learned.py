"""combination.json: what a system's combination has learned from out-of-fold probabilities."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, get_args

from pydantic import Field

from maskgate import labels
from maskgate.ensemble.combining import LEARNED, EnsembleSpec
from maskgate.runs.records.results import Attribute, Matrix
from maskgate.runs.records.stored import Count, File, Positive, Record


class Regression(Record):
    weights: Matrix
    bias: list[float]


class NearTie(Record):
    best: Annotated[list[Count], Field(min_length=2, max_length=2)]


class Offsets(Record):
    nullable = frozenset({"penalty"})

    offsets: Annotated[list[float], Field(min_length=labels.COUNT, max_length=labels.COUNT)]
    penalty: float | None = None


# Of learned temperatures, scales and biases; those that are fitted are from .1 to 10.
Scale = Annotated[float, Field(ge=0.01, le=100)]
Bias = Annotated[float, Field(ge=-100, le=100)]


class Temperatures(Record):
    temperatures: dict[Attribute, Scale]


class VectorScaling(Record):
    scales: list[Scale]
    biases: list[Bias]


class VectorScalings(Record):
    attributes: dict[Attribute, VectorScaling]


class Learned(File):
    """What each combination and adjustment has learned, by name; see `ensemble.combining`."""

    weights: dict[Attribute, list[Positive]] | None = None
    stacking: dict[Attribute, Regression] | None = None
    near_tie: NearTie | None = None
    offsets: Offsets | None = None
    calibrate: Temperatures | None = None
    calibrate_vector: VectorScalings | None = None

    def by_name(self) -> dict[str, Any]:
        """The same as a dict, ready for JSON; `ensemble.combining.Combination` takes it."""
        return self.model_dump(exclude_unset=True)

    def mismatch(self, spec: EnsembleSpec, member_attributes: Sequence[Collection[str]]) -> str:
        """Why this was not learned for `spec` with members that predict these attributes; empty
        where it was."""
        missing = [name for name in spec.names if name in LEARNED and getattr(self, name) is None]
        if missing:
            return f"nothing is learned for {missing[0]}"
        for name in get_args(Attribute):
            count = sum(name in attributes for attributes in member_attributes)
            members = f"{count} members that predict {name}"
            if self.weights is not None:
                weights = self.weights.get(name, [])
                if len(weights) != count or not sum(weights) > 0:
                    return f"weights are not of {members}"
            size = len(labels.ATTRIBUTES[name])
            if self.stacking is not None and not _fits(self.stacking.get(name), count, size):
                return f"stacking is not of {members}"
            if self.calibrate_vector is not None:
                vector = self.calibrate_vector.attributes.get(name)
                if vector is not None and not len(vector.scales) == len(vector.biases) == size:
                    return f"calibrate_vector is not of the {size} values of {name}"
        complete = [
            number
            for number, attributes in enumerate(member_attributes)
            if set(attributes) == set(labels.ATTRIBUTES)
        ]
        if self.near_tie is not None and not set(self.near_tie.best) <= set(complete):
            return "near_tie names members that do not predict all attributes"
        return ""


def _fits(model: Regression | None, members: int, values: int) -> bool:
    """Whether a regression takes the log-probabilities of so many members for so many values."""
    if model is None:
        return False
    sizes = [len(model.bias), *map(len, model.weights)]
    return sizes == [values] * (members * values + 1)
