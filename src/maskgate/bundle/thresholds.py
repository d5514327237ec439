"""Thresholds of a manifest: the lowest confidence at which an answer counts as sure.

An answer whose confidence, the probability of the likeliest value, is lower is unsure: another look
is needed. That is classification with a reject option (Chow, IEEE Transactions on Information
Theory 1970; Geifman and El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017).
`evaluation.thresholds` fits them.
"""

from typing import Annotated, Final

from pydantic import Field, model_validator

from maskgate.runs.records.results import Attribute, Figure
from maskgate.runs.records.stored import Count, Record

ERRORS: Final[dict[Attribute, float]] = {"mask": 0.01, "gender": 0.05, "age_band": 0.2}
"""The share of wrong answers among the sure ones that is stated unless another is given."""
Share = Annotated[float, Field(ge=0, le=1)]


class Curve(Record):
    """A risk–coverage curve of K points, by rising coverage: for each `confidence` the `coverage`,
    which is the share of photos at or above it, and the `error`, the share of these that is
    wrong."""

    confidence: list[Share]
    coverage: list[Share]
    error: list[Share]

    @model_validator(mode="after")
    def _of_one_length(self) -> "Curve":
        if not len(self.confidence) == len(self.coverage) == len(self.error) >= 1:
            raise ValueError("its lists are not of one length")
        return self


class Selection(Record):
    """What a threshold does with some photos: the `error` among the sure answers, and the share of
    photos that is sent for `another_look`. Without these and the curve where the people are too
    few; without an error where all answers are unsure."""

    photos: Count
    people: Count
    error: Figure | None = None
    another_look: Figure | None = None
    curve: Curve | None = None


class Threshold(Record):
    """The threshold of an attribute for a stated error, the `target`; `confidence` is None where no
    threshold meets it. Each person of `all` and of the `groups` is scored with thresholds that were
    fitted to others."""

    nullable = frozenset({"confidence"})

    target: Annotated[float, Field(gt=0, lt=1)]
    confidence: Share | None
    all: Selection
    groups: dict[str, Selection] = Field({})
