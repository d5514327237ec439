"""The difference of two groups' scores, alone and corrected for several comparisons.

A group of runs differs only in the seed; its score is the mean over its seeds. The variation
between seeds is added to every resample of people: a normal deviate with the standard error of
that mean. The interaction of seed and people is in both parts, so intervals are too wide rather
than too narrow. Seeds are not drawn with replacement as people are: two or three of them have only
a handful of means, none extreme, which would not show how far many comparisons deviate together.

This is done for each group separately. The same seed in two recipes gives the same order of photos
only while both draw the same number of random numbers, so the groups are not treated as paired by
seed.

Two or three seeds estimate their variance poorly, and may agree by luck. So one variance is used
for all groups, as by Dunnett (A multiple comparison procedure for comparing several treatments
with a control, JASA 1955): the variance pooled over all groups, or a group's own where that is
larger. A quantile of the normal distribution is still too small for it. The interval is therefore
multiplied by the quantile of Student's t over that of the normal, with Satterthwaite's degrees of
freedom: those of the seeds where the seeds dominate the variance, and practically infinite where
the people do (Hesterberg, What teachers should know about the bootstrap, The American Statistician
2015).

**Many comparisons.** Of twenty changes without effect, one is called better or worse on average.
The corrected intervals contain all true differences from the reference at once in 95 of 100
studies. All groups are scored on the same resamples, and the reference's deviates are drawn once,
so that the draws reflect how the comparisons are correlated. All intervals are stretched about
their medians, by one factor, until 95% of the draws lie within all of them: the single-step max-t
of Westfall and Young (Resampling-based multiple testing, 1993), turned into intervals as Dunnett's
are. Every difference is measured by its own interval, above and below the median separately
(Beran, Balanced simultaneous confidence sets, JASA 1988). Bonferroni's intervals would be wider,
because they ignore the correlation; Holm's and other step-down tests give verdicts without
intervals. Student's t is then taken at the level that the stretched interval has alone, which for
few seeds is much wider than the factor.
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
    """Scores of a group's seeds: on all people (n,), and in each resample of them (n, R)."""

    value: Floats
    drawn: Floats

    @property
    def mean(self) -> float:
        return float(self.value.mean())

    @property
    def score(self) -> Score:
        """The mean over the seeds, with its interval over people and seeds."""
        zero = Scored(np.zeros(1), np.zeros((1, self.drawn.shape[1])))
        score = differences({"zero": zero, "score": self})["score"].alone
        return Score(score.value, max(0.0, score.low), min(1.0, score.high))


@dataclass(frozen=True)
class Difference:
    """A group's score less the reference's: with its interval `alone`, and with an interval
    `corrected` for the other comparisons.

    `of_people` and `of_seeds` are the parts of its variance from the choice of people and from the
    seeds; `stretch` is the factor of the correction, before Student's t.
    """

    alone: Score
    corrected: Score
    of_people: float
    of_seeds: float
    stretch: float = 1.0


def differences(groups: Mapping[str, Scored]) -> dict[str, Difference]:
    """The mean score of every group but the first less that of the first, the reference.

    All are scored on the same R resamples of people. With a single comparison both intervals are
    the same.
    """
    variance, freedom = _pooled_variance(list(groups.values()))
    (_, reference), *others = (
        (name, _GroupScore.from_seeds(name, scored, variance)) for name, scored in groups.items()
    )
    drawn = {name: DrawnDifference.between(reference, group, freedom) for name, group in others}
    factor = stretch([each.distance for each in drawn.values()])
    return {
        name: Difference(
            alone=each.interval(1.0),
            corrected=each.interval(factor),
            of_people=each.of_people,
            of_seeds=each.of_seeds,
            stretch=factor,
        )
        for name, each in drawn.items()
    }


def stretch(distances: Sequence[Floats]) -> float:
    """The factor by which intervals must grow so that 95% of R draws lie in all of them at once.

    `distances` are, for each comparison, how far each draw (R,) lies from the middle of its
    interval; 1 is the end of the interval.
    """
    if len(distances) == 1:
        return 1.0
    return max(1.0, float(np.quantile(np.max(distances, axis=0), metrics.LEVEL)))


def _pooled_variance(groups: Sequence[Scored]) -> tuple[float, int]:
    """Variance of a score between seeds, over all groups with several, and its degrees of
    freedom."""
    scores = [scored.value for scored in groups if len(scored.value) > 1]
    freedom = sum(len(value) - 1 for value in scores)
    squares = sum(float(((value - value.mean()) ** 2).sum()) for value in scores)
    return squares / max(freedom, 1), freedom


@dataclass(frozen=True)
class _GroupScore:
    """A group's mean score, on all people and in each resample of them (R,); the variance of that
    mean from its seeds, and a deviate with that variance for each resample (R,)."""

    mean: float
    drawn: Floats
    variance: float
    deviates: Floats

    @classmethod
    def from_seeds(cls, name: str, scored: Scored, pooled: float) -> "_GroupScore":
        count, draws = scored.drawn.shape
        variance = max(pooled, float(scored.value.var(ddof=1))) / count if count > 1 else 0.0
        random = np.random.default_rng(derive("compare", name))
        deviates = np.sqrt(variance) * random.standard_normal(draws)
        return cls(scored.mean, scored.drawn.mean(0), variance, deviates)


@dataclass(frozen=True)
class DrawnDifference:
    """A difference, draws of it (R,), widened for few seeds, its degrees of freedom, and the parts
    of its variance from people and from seeds."""

    value: float
    draws: Floats
    freedom: float
    of_people: float
    of_seeds: float

    @classmethod
    def between(
        cls, reference: _GroupScore, other: _GroupScore, seed_freedom: int
    ) -> "DrawnDifference":
        """The difference, given the degrees of freedom of the variance between seeds."""
        value = other.mean - reference.mean
        drawn = other.drawn - reference.drawn
        of_people, of_seeds = float(drawn.var()), other.variance + reference.variance
        freedom = seed_freedom * ((of_seeds + of_people) / of_seeds) ** 2 if of_seeds else np.inf
        draws = drawn + other.deviates - reference.deviates
        return cls.widened(value, draws, freedom, of_people=of_people, of_seeds=of_seeds)

    @classmethod
    def widened(
        cls, value: float, draws: Floats, freedom: float, *, of_people: float, of_seeds: float = 0.0
    ) -> "DrawnDifference":
        """The difference with draws (R,) that are too narrow for so few degrees of freedom."""
        wider = _student(freedom, _UPPER) / ndtri(_UPPER)
        draws = value + wider * (draws - value)
        return cls(value, draws, freedom=freedom, of_people=of_people, of_seeds=of_seeds)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Low end, middle and high end of the interval alone."""
        low, middle, high = np.quantile(self.draws, [1 - _UPPER, 0.5, _UPPER])
        return float(low), float(middle), float(high)

    @property
    def distance(self) -> Floats:
        """How far each draw (R,) lies from the middle; 1 is the end of the interval alone."""
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
    """Student's quantile, or the normal one where the degrees of freedom are infinite."""
    return float(stdtrit(freedom, share) if np.isfinite(freedom) else ndtri(share))
