"""How many people or seeds a comparison needs to show a difference: its power.

From the normal approximation (Cohen, Statistical power analysis for the behavioral sciences, 1988):
a two-sided test at 5% finds a true difference d in 80 of 100 studies where d is 2.80 standard
errors, and more where the intervals are corrected for several comparisons. The part of the variance
that comes from the choice of people shrinks with their number, the part that comes from the seeds
with the number of seeds. For few seeds Student's t replaces the normal distribution, as in
`differences`.

An undecided comparison has only its measured difference to go by. The true one may be smaller or
larger, so the numbers are a guide for the next study, and say nothing about this one (Hoenig and
Heisey, The abuse of power, The American Statistician 2001).
"""

import math
from bisect import bisect_left
from typing import Final

from scipy.special import ndtr, ndtri, stdtrit

from maskgate.evaluation import metrics
from maskgate.evaluation.compare import FEWEST, Comparison
from maskgate.evaluation.differences import Difference

POWER: Final = 0.8
MOST_SEEDS: Final = 100  # of a group; more are not suggested
MOST_PEOPLE: Final = 100  # times those of the comparison; more are not suggested
_END: Final = float(ndtri((1 + metrics.LEVEL) / 2))  # of an interval, in standard errors: 1.96
_POWER: Final = float(ndtri(POWER))


def smallest(difference: Difference) -> float:
    """The true difference that a comparison on as many people would show in 80 of 100 studies."""
    return _errors(difference) * math.sqrt(difference.of_people + difference.of_seeds)


def people_needed(difference: Difference, people: int, size: float) -> int | None:
    """How many people would show a true difference of `size`, estimated from a comparison on
    `people`.

    None where no number would: the variance between seeds is too large.
    """
    allowed = (size / _errors(difference)) ** 2 - difference.of_seeds  # that people may add
    return math.ceil(people * difference.of_people / allowed) if allowed > 0 else None


def seeds_needed(difference: Difference, seeds: tuple[int, int], size: float) -> int | None:
    """How many seeds of each group would show a true difference of `size` on the same people,
    estimated from a comparison of groups with so many `seeds`, at least two each.

    None where MOST_SEEDS would not: the variance between people is too large.
    """
    of_a_seed = difference.of_seeds / (1 / seeds[0] + 1 / seeds[1])
    if of_a_seed == 0:
        return None
    share = float(ndtr(difference.stretch * _END))

    def shows(count: int) -> bool:
        of_seeds = 2 * of_a_seed / count
        variance = difference.of_people + of_seeds
        freedom = 2 * (count - 1) * (variance / of_seeds) ** 2
        return bool((stdtrit(freedom, share) + _POWER) * math.sqrt(variance) <= size)

    counts = range(min(seeds) + 1, MOST_SEEDS + 1)
    first = bisect_left(counts, True, key=shows)
    return counts[first] if first < len(counts) else None


def _errors(difference: Difference) -> float:
    """The standard errors that a difference must have: 2.80 in a single comparison."""
    return difference.stretch * _END + _POWER


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


def to_decide(comparison: Comparison, people: int) -> str:
    """How many people or seeds would decide an undecided comparison on `people` if the true
    difference is the measured one, or why that cannot be estimated; empty for a decided one."""
    difference, size = comparison.score_difference, abs(comparison.score.value)
    if comparison.verdict != "undecided":
        return ""
    if comparison.scarce:
        return (
            f"It takes at least {FEWEST} people of every class to decide; how many cannot be"
            " estimated with fewer."
        )
    if difference.of_people + difference.of_seeds == 0:
        return "Both make the same predictions, so there is nothing to decide."
    if size == 0:
        return "The measured difference is 0, so what it takes to decide cannot be estimated."
    enough, too_few, unknown = [], [], ""
    enough_people = people_needed(difference, people, size)
    if enough_people is None or enough_people > MOST_PEOPLE * people:
        too_few.append(f"{MOST_PEOPLE * people:,} people")
    elif enough_people > people:
        enough.append(f"about {enough_people:,} people instead of {people:,}")
    seeds = len(comparison.reference.runs), len(comparison.group.runs)
    if min(seeds) == 1:
        unknown = "; how many seeds cannot be estimated from a single one"
    elif (enough_seeds := seeds_needed(difference, seeds, size)) is None:
        too_few.append(f"{MOST_SEEDS} seeds of each")
    else:
        now = str(seeds[0]) if seeds[0] == seeds[1] else f"{seeds[0]} and {seeds[1]}"
        enough.append(f"about {enough_seeds} seeds of each instead of {now}")
    parts = [
        *([f"{' or '.join(enough)} would show it in {POWER:.0%} of studies"] if enough else []),
        *([f"{' or '.join(too_few)} would not show it"] if too_few else []),
    ]
    result = "; ".join(parts) or "what it takes to show it cannot be estimated"
    return f"If the true difference is the measured one, {result}{unknown}."
