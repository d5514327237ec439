"""How many people a comparison needs to show a difference: its power.

From the normal approximation (Cohen, Statistical power analysis for the behavioral sciences, 1988):
a two-sided test at 5% finds a true difference d in 80 of 100 studies where d is 2.80 standard
errors. The part of the variance that comes from the choice of people shrinks with their number; the
part that comes from the seeds does not.
"""

import math
from typing import Final

from scipy.special import ndtri

from maskgate.evaluation import metrics
from maskgate.evaluation.compare import Comparison
from maskgate.evaluation.differences import Difference

POWER: Final = 0.8
_ERRORS: Final = float(ndtri((1 + metrics.LEVEL) / 2) + ndtri(POWER))  # standard errors, 2.80


def smallest(difference: Difference) -> float:
    """The true difference that a comparison on as many people would show in 80 of 100 studies."""
    return _ERRORS * math.sqrt(difference.of_people + difference.of_seeds)


def people_needed(difference: Difference, people: int, size: float) -> int | None:
    """How many people would show a true difference of `size`, estimated from a comparison on
    `people`.

    None where no number would: the variance between seeds is too large.
    """
    allowed = (size / _ERRORS) ** 2 - difference.of_seeds  # variance that people may add
    return math.ceil(people * difference.of_people / allowed) if allowed > 0 else None


def sentence(comparison: Comparison, people: int, size: float) -> str:
    """How many people it takes to show a difference of `size` between the two groups."""
    difference = comparison.score_difference
    name, reference = comparison.group.name, comparison.reference.name
    needed = people_needed(difference, people, size)
    if needed is None:
        return (
            f"{name} against {reference}: the variation between seeds is too large to show a true"
            f" difference of {size:.3f}, whatever the number of people; train more seeds of both."
        )
    if difference.of_people == 0:
        return f"{name} and {reference} make the same predictions: any true difference would show."
    return (
        f"{name} against {reference}: about {needed:,} people are needed to show a true difference"
        f" of {size:.3f} in {POWER:.0%} of studies; these {people:,} show one of"
        f" {smallest(difference):.3f}."
    )
