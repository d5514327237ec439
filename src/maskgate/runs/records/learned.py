"""combination.json: what a system's combination has learned of the out-of-fold probabilities."""

from typing import Annotated, Any

from pydantic import Field

from maskgate import labels
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


class Learned(File):
    """By name, what each combination and adjustment has learned; see `ensemble.combining`."""

    weights: dict[Attribute, list[Positive]] | None = None
    stacking: dict[Attribute, Regression] | None = None
    near_tie: NearTie | None = None
    offsets: Offsets | None = None

    def by_name(self) -> dict[str, Any]:
        """The same as `ensemble.combining` takes it: what each has learned, ready for JSON."""
        return self.model_dump(exclude_unset=True)
