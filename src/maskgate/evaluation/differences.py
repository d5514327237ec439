"""The difference of two sides' scores, alone and corrected for all that is compared at once.

A side scores the mean over its seeds. By how much it depends on them is added to every resample
of people: a normal deviate with the standard error of that mean. What a seed makes of the very
people it is scored on is in both parts, so that intervals err on the wide side. Seeds are not
drawn with replacement as people are: two or three of them have a handful of such means, none far
out, which leaves nothing to tell how far many comparisons stray together.

That is done for each side on its own. The same seed in two recipes shares the order of photos
only as long as nothing changes how many random numbers are drawn; to count on it would make
intervals narrower on a hope.

Two or three seeds tell little of that spread, and may agree by luck, so that one for all sides is
taken, as by Dunnett (A multiple comparison procedure for comparing several treatments with a
control, JASA 1955): the variance pooled over all that are compared, or a side's own where that is
larger. A quantile of the normal distribution is still too small for it. The interval is therefore
multiplied by the quantile of Student's t over that of the normal, with the degrees of freedom of
Satterthwaite: those of the seeds where these make up the spread, so many that nothing changes
where people do (Hesterberg, What teachers should know about the bootstrap, The American
Statistician 2015).

**Many comparisons.** Of twenty changes that change nothing, one is called better or worse on
average. The corrected intervals hold all true differences from the reference at once in 95 of 100
studies. All sides are scored on the same draws, and the reference's deviates are drawn once, so
that the draws know how the comparisons hang together. All intervals are stretched about their
medians, by one factor, until 95% of the draws lie within all of them: the single-step max-t of
Westfall and Young (Resampling-based multiple testing, 1993), turned into intervals as Dunnett's
are, every difference being measured by its own interval and each side of it by itself (Beran,
Balanced simultaneous confidence sets, JASA 1988). Bonferroni's bound would be wider, for it knows
nothing of what the comparisons share; Holm's and other step-down tests give verdicts but no
intervals to go with them. Student's t is then taken at the level that the stretched interval has
alone, which for few seeds is wider than the factor by far.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from maskgate.core.score import Score
from maskgate.core.seeding import derive
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Floats

_UPPER: Final = (1 + metrics.LEVEL) / 2


@dataclass(frozen=True)
class Scored:
    """Scores of a side's seeds: on all people (n,), and in each resample of them (n, R)."""

    value: Floats
    drawn: Floats

    @property
    def mean(self) -> float:
        return float(self.value.mean())

    @property
    def score(self) -> Score:
        """The mean over the seeds, with its interval over people and seeds."""
        nothing = Scored(np.zeros(1), np.zeros((1, self.drawn.shape[1])))
        found = differences({"nothing": nothing, "score": self})["score"].alone
        return Score(found.value, max(0.0, found.low), min(1.0, found.high))


@dataclass(frozen=True)
class Difference:
    """Of a side less the reference: its interval alone, and with all others holding as well.

    `of_people` and `of_seeds` are the variances that the choice of people and the seeds leave in
    the value.
    """

    alone: Score
    corrected: Score
    of_people: float
    of_seeds: float


def differences(sides: Mapping[str, Scored]) -> dict[str, Difference]:
    """The mean score of every side but the first less that of the first, the reference.

    All are scored on the same R resamples of people. Where there is one comparison, both of its
    intervals are the same.
    """
    spread, freedom = _pooled(list(sides.values()))
    (_, reference), *others = (
        (name, _Side.of(name, scored, spread)) for name, scored in sides.items()
    )
    drawn = {name: _Drawn.of(reference, side, freedom) for name, side in others}
    factor = stretch([each.away for each in drawn.values()])
    return {
        name: Difference(each.interval(1.0), each.interval(factor), each.of_people, each.of_seeds)
        for name, each in drawn.items()
    }


def stretch(away: Sequence[Floats]) -> float:
    """The factor by which intervals must grow so that 95% of R draws lie in all of them at once.

    `away` tells for each comparison how far each draw (R,) lies from the middle of its interval,
    1 being the end of it.
    """
    if len(away) == 1:
        return 1.0
    return max(1.0, float(np.quantile(np.max(away, axis=0), metrics.LEVEL)))


def _pooled(sides: Sequence[Scored]) -> tuple[float, int]:
    """Variance of a score over seeds, of all sides that have several, and its degrees of
    freedom."""
    several = [scored.value for scored in sides if len(scored.value) > 1]
    freedom = sum(len(value) - 1 for value in several)
    squares = sum(float(((value - value.mean()) ** 2).sum()) for value in several)
    return squares / max(freedom, 1), freedom


@dataclass(frozen=True)
class _Side:
    """A side's mean score, on all people and in each resample of them (R,); the variance that its
    seeds leave in it, and a deviate of that for each resample (R,)."""

    mean: float
    drawn: Floats
    variance: float
    moved: Floats

    @classmethod
    def of(cls, name: str, scored: Scored, pooled: float) -> "_Side":
        count, draws = scored.drawn.shape
        variance = max(pooled, float(scored.value.var(ddof=1))) / count if count > 1 else 0.0
        random = np.random.default_rng(derive("compare", name))
        moved = np.sqrt(variance) * random.standard_normal(draws)
        return cls(scored.mean, scored.drawn.mean(0), variance, moved)


@dataclass(frozen=True)
class _Drawn:
    """A difference, draws of it (R,), widened for few seeds, its degrees of freedom, and the
    variances that people and seeds leave in it."""

    value: float
    draws: Floats
    freedom: float
    of_people: float
    of_seeds: float

    @classmethod
    def of(cls, reference: _Side, other: _Side, freedom: int) -> "_Drawn":
        """The difference, given the degrees of freedom that the seeds' variance has."""
        value = other.mean - reference.mean
        drawn = other.drawn - reference.drawn
        of_people, of_seeds = float(drawn.var()), other.variance + reference.variance
        own = freedom * ((of_seeds + of_people) / of_seeds) ** 2 if of_seeds else np.inf
        wider = _student(own, _UPPER) / ndtri(_UPPER)
        draws = drawn + other.moved - reference.moved
        draws = value + wider * (draws - value)
        return cls(value, draws, freedom=own, of_people=of_people, of_seeds=of_seeds)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Low end, middle and high end of the interval alone."""
        low, middle, high = np.quantile(self.draws, [1 - _UPPER, 0.5, _UPPER])
        return float(low), float(middle), float(high)

    @property
    def away(self) -> Floats:
        """How far each draw (R,) lies from the middle, 1 being the end of the interval alone."""
        low, middle, high = self.ends
        reach = np.where(self.draws < middle, middle - low, high - middle)
        return np.divide(
            np.abs(self.draws - middle), reach, out=np.zeros_like(self.draws), where=reach > 0
        )

    def interval(self, factor: float) -> Score:
        """The interval stretched as a normal one by `factor`, and for few seeds by more."""
        low, middle, high = self.ends
        upper = float(ndtr(factor * ndtri(_UPPER)))
        times = _student(self.freedom, upper) / _student(self.freedom, _UPPER)
        low, high = middle + times * (low - middle), middle + times * (high - middle)
        return Score(self.value, min(low, self.value), max(high, self.value))


def _student(freedom: float, share: float) -> float:
    """Student's quantile, or the normal one where freedom is without bounds."""
    return float(stdtrit(freedom, share) if np.isfinite(freedom) else ndtri(share))
