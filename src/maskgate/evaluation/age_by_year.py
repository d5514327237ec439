"""Errors of the age band by year of age: how near to its limits they are.

The age bands <30, 30–59 and ≥60 cut a continuum: people of 29 and 31 look alike. So a year is a
slice (see `slices`) of one band; years of fewer than `metrics.FEW` people are joined with the
years beside them in the same band.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.score import Score
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Resamples

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Years:
    """People from `first` to `last` years of age, of the age band `band` in words: the share of
    their photos predicted in a wrong band, and in a younger and an older one."""

    first: int
    last: int
    band: str
    photos: int
    people: int
    wrong: Score
    younger: Score
    older: Score

    @property
    def name(self) -> str:
        """The year, or the first and the last."""
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


def errors(probabilities: npt.NDArray[np.floating], table: pd.DataFrame) -> list[Years]:
    """The errors of probabilities (N, 18) by year of age, from young to old; [] where no age in
    years is known.

    Bands with fewer than FEW people of known age are left out: too few for an interval.
    """
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    predicted = labels.marginals(probabilities)["age_band"].argmax(1)
    error = predicted - table["age_band"].to_numpy(np.int64)
    return [
        _score(group, band, error, weights)
        for code, band in enumerate(labels.AGE_BANDS)
        for group in _groups(table, code)
    ]


@dataclass(frozen=True)
class _Group:
    """Years of age from `first` to `last`, and the `photos` (N,) of people of that age."""

    first: int
    last: int
    photos: Mask

    def joined(self, later: "_Group") -> "_Group":
        """Both as one; `later` has the later years."""
        return _Group(self.first, later.last, self.photos | later.photos)


def _groups(table: pd.DataFrame, band: int) -> list[_Group]:
    """The years of a band, joined until each group has FEW people or more."""
    age = np.floor(table["age"].to_numpy(np.float64))
    known = np.isfinite(age) & (table["age_band"] == band).to_numpy()
    groups: list[_Group] = []
    for year in np.unique(age[known]).astype(int).tolist():
        group = _Group(year, year, known & (age == year))
        if groups and _people(table, groups[-1]) < metrics.FEW:
            group = groups.pop().joined(group)
        groups.append(group)
    if len(groups) > 1 and _people(table, groups[-1]) < metrics.FEW:
        last = groups.pop()
        groups.append(groups.pop().joined(last))
    return [group for group in groups if _people(table, group) >= metrics.FEW]


def _people(table: pd.DataFrame, group: _Group) -> int:
    return int(table.loc[group.photos, "person"].nunique())


def _score(group: _Group, band: str, error: npt.NDArray[np.int64], weights: Resamples) -> Years:
    """The errors of a group, of `error` (N,): the code of the predicted band less the true one."""
    people = len(np.unique(weights.person[group.photos]))
    kinds = [group.photos & each for each in (error != 0, error < 0, error > 0)]
    columns = np.stack([group.photos, *kinds], 1).astype(np.float64)
    (photos, *counts), (drawn_photos, *drawn) = columns.sum(0), weights.sums(columns).T
    wrong, younger, older = (
        metrics.at_least_exact(metrics.interval(count / photos, each / drawn_photos), people)
        for count, each in zip(counts, drawn, strict=True)
    )
    return Years(
        first=group.first,
        last=group.last,
        band=band,
        photos=int(photos),
        people=people,
        wrong=wrong,
        younger=younger,
        older=older,
    )
