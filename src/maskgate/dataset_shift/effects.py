"""How far two sets differ in one measure, with an interval and a p-value.

Each effect is between 0, no difference, and 1, the sets have nothing in common, so that measures of
different kinds can be ranked:

- of numbers, Cliff's delta (Dominance statistics, Psychological Bulletin 1993): how much more often
  the value of a photo of B is above that of a photo of A than below it. It has a sign.
- of categories, the total variation distance: the share of photos that would have to change.

Every person counts the same, whatever the number of photos: a photo weighs one over the photos of
its person. p-values are those of permutations of people, so they hold for small sets too. Intervals
are those of the Bayesian bootstrap over people. An interval of a total variation distance never
contains 0, even if nothing differs: there the p-value decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskgate.dataset_shift.units import PERMUTATIONS, Codes, Flags, Floats, Units

_TAIL = 2.5  # percent on each side of an interval
_PARTS = 100  # resamples in memory at a time


@dataclass(frozen=True)
class Effect:
    """An effect with its 95% interval and the p-value of no difference."""

    value: float
    low: float
    high: float
    p: float

    @property
    def size(self) -> float:
        """Without its sign."""
        return abs(self.value)


def cliffs_delta(values: Floats, units: Units) -> Effect | None:
    """Of values (N,), NaN where unknown; from -1, all of B are lower, to 1. Where units have
    strata, photos are compared within them. None unless both sets have known values."""
    known = np.flatnonzero(np.isfinite(values))
    unit = units.unit[known]
    weight, stratum, is_b = units.shares(unit), units.stratum[unit], units.is_b[unit]
    if not is_b.any() or is_b.all():
        return None
    value = _delta(values[known], (weight * is_b)[None], (weight * ~is_b)[None], stratum)[0]
    levels = units.sums_of((weight * mid_levels(values[known], weight, stratum))[:, None], unit)
    null = permuted_delta(levels[:, 0], np.bincount(unit, minlength=units.count) > 0, units)
    p = (1 + int((np.abs(null) >= abs(value) - 1e-6).sum())) / (1 + PERMUTATIONS)
    drawn = []
    for start in range(0, len(units.weights), _PARTS):
        weights = units.weights[start : start + _PARTS, unit] * weight
        drawn.append(_delta(values[known], weights * is_b, weights * ~is_b, stratum))
    low, high = np.percentile(np.concatenate(drawn), [_TAIL, 100 - _TAIL])
    return Effect(float(value), float(low), float(high), p)


def _delta(values: Floats, b: Floats, a: Floats, stratum: Codes) -> Floats:
    """Cliff's delta (R,) of values (n,) with weights (R, n) of photos in B and in A."""
    above, pairs = np.zeros(len(b)), np.zeros(len(b))
    for each in np.unique(stratum):
        rows = np.flatnonzero(stratum == each)
        order = rows[np.argsort(values[rows], kind="stable")]
        first = np.flatnonzero(np.diff(values[order], prepend=-np.inf))  # of each distinct value
        of_b = np.add.reduceat(b[:, order], first, axis=1)
        of_a = np.add.reduceat(a[:, order], first, axis=1)
        below = np.cumsum(of_a, axis=1) - of_a / 2
        above += (of_b * below).sum(1)
        pairs += of_b.sum(1) * of_a.sum(1)
    return 2 * above / np.where(pairs > 0, pairs, 1) - 1


def mid_levels(values: Floats, weight: Floats, stratum: Codes) -> Floats:
    """For each of the values (n,) the weight of those below it in its stratum, and half of that of
    its equals, as a share."""
    levels = np.empty(len(values))
    for each in np.unique(stratum):
        rows = np.flatnonzero(stratum == each)
        _, place = np.unique(values[rows], return_inverse=True)
        equal = np.bincount(place, weight[rows])
        levels[rows] = ((np.cumsum(equal) - equal / 2) / equal.sum())[place]
    return levels


def permuted_delta(level: Floats, is_known: Flags, units: Units) -> Floats:
    """Cliff's delta (PERMUTATIONS,) in the permutations: twice the difference of the mean levels of
    people of B and A, `level` (U,) being the mean of a person's `mid_levels`."""
    above, pairs = np.zeros(PERMUTATIONS), np.zeros(PERMUTATIONS)
    for each in np.unique(units.stratum):
        members = np.flatnonzero((units.stratum == each) & is_known)
        permuted = units.permuted[:, members].astype(np.float64)
        count = permuted.sum(1)
        total = permuted @ level[members]
        weight = count * (len(members) - count)
        b = total / np.maximum(count, 1)
        a = (level[members].sum() - total) / np.maximum(len(members) - count, 1)
        above += weight * (b - a)
        pairs += weight
    return np.asarray(2 * above / np.where(pairs > 0, pairs, 1))


@dataclass(frozen=True)
class Shares:
    """Of each of `names`, its share in A and in B (K,), and the difference B - A with its 95%
    interval."""

    names: list[str]
    a: Floats
    b: Floats
    low: Floats
    high: Floats

    def largest(self) -> int:
        """The category that differs most."""
        return int(np.abs(self.b - self.a).argmax())


def total_variation(
    codes: Codes, names: Sequence[str], units: Units
) -> tuple[Effect, Shares] | None:
    """Of codes (N,) into `names`, negative where unknown. None unless both sets have known ones."""
    known = np.flatnonzero(codes >= 0)
    unit = units.unit[known]
    one_hot = np.zeros((len(known), len(names)))
    one_hot[np.arange(len(known)), codes[known]] = units.shares(unit)
    shares = units.sums_of(one_hot, unit)  # of each person
    b, a = shares[units.is_b].sum(0), shares[~units.is_b].sum(0)
    if not b.any() or not a.any():
        return None
    difference = b / b.sum() - a / a.sum()
    permuted = units.permuted.astype(np.float64) @ shares
    null = _distance(permuted, shares.sum(0) - permuted)[0]
    drawn, differences = _distance(
        (units.weights * units.is_b) @ shares, (units.weights * ~units.is_b) @ shares
    )
    value = float(np.abs(difference).sum() / 2)
    low, high = np.percentile(drawn, [_TAIL, 100 - _TAIL])
    p = (1 + int((null >= value - 1e-9).sum())) / (1 + PERMUTATIONS)
    ends = np.percentile(differences, [_TAIL, 100 - _TAIL], axis=0)
    of_sets = Shares(list(names), a / a.sum(), b / b.sum(), low=ends[0], high=ends[1])
    return Effect(value, float(low), float(high), p), of_sets


def _distance(
    b: npt.NDArray[np.floating], a: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Total variation distances (R,) of counts (R, K), and the differences of shares (R, K)."""
    totals = [np.where(each.sum(1) > 0, each.sum(1), 1)[:, None] for each in (b, a)]
    difference = b / totals[0] - a / totals[1]
    return np.abs(difference).sum(1) / 2, difference


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, A simple sequentially rejective multiple test
    procedure, Scandinavian Journal of Statistics 1979), in the same order."""
    order = np.argsort(p)
    corrected = np.empty(len(p))
    scaled = np.sort(p) * np.arange(len(p), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return [float(each) for each in corrected]
