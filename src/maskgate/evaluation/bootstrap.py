"""Bayesian bootstrap over people: the resamples from which every interval of a score is computed.

Photos of one person are not independent, so people are resampled, not photos. In each resample
every person gets an exponential weight; together these are Dirichlet weights (Rubin, The Bayesian
bootstrap, Annals of Statistics 1981). Unlike sampling with replacement this never drops a person,
and so never drops a class that few people have.

**Few people in a group.** If both of two people aged 60 or over are classified correctly, no
resample shows that a third might not be. So each group of people (gender × age band, and the mask
where a person shows only one) also gets a person borrowed from the others, with the group's labels:
a correct prediction stays correct, and an error stays an error of the same kind. The borrowed
person weighs as much as `PRIOR` people on average. That is a Dirichlet process prior (Ferguson, A
Bayesian analysis of some nonparametric problems, Annals of Statistics 1973) whose base is everybody
else, with a strength as in the "two successes and two failures" of Agresti and Coull (The American
Statistician 1998). In a group of a hundred people it is a fiftieth; in a group of two it is half.

`benchmarks/intervals.py` measures how often the intervals contain the true score, and compares
other methods.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from maskgate import labels

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

LEVEL: Final = 0.95  # of intervals
PRIOR: Final = 2.0  # average weight, in people, of the person borrowed for a group
# Among so many people an empty group is rarer than one in a hundred (the rule of three) and counts
# as absent. Among fewer people it may be empty by chance, and gets a borrowed person as well.
ENOUGH: Final = 300
_CELLS_AT_ONCE: Final = 20_000_000  # weights held in memory
_RESAMPLES_AT_ONCE: Final = 50  # of which the weights of photos are held in memory
_SIZES: Final = {"label": labels.COUNT} | {
    name: len(values) for name, values in labels.ATTRIBUTES.items()
}


@dataclass(frozen=True)
class Group:
    """People with the same labels, UNKNOWN where nobody's is known; `mask` is also UNKNOWN for
    people with several."""

    gender: int
    age_band: int
    mask: int


class Resamples:
    """Weights of people in `count` resamples; the same for all scores computed from them.

    `table` is the photo table (N rows), of which `person`, `mask`, `gender` and `age_band` are
    read. A person is borrowed for each of the `groups`.
    """

    def __init__(self, table: pd.DataFrame, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self.person, people = pd.factorize(table["person"])
        self.people = len(people)
        self.groups, lenders = _groups(table, self.person, self.people)
        random = np.random.default_rng([seed, 1])
        shape = (len(self.groups), count)
        self._lender = random.choice(lenders, shape) if len(lenders) else np.zeros(shape, np.int64)
        self._borrowed = random.gamma(PRIOR, size=shape)
        self._kept: Floats | None = None

    def confusions(self, name: str, truth: Codes, predicted: Codes) -> Floats:
        """Confusions (count, C, C) of codes (N,) of an attribute, or `label`, in the resamples.

        Each sums to the number of photos whose truth is known.
        """
        size = _SIZES[name]
        known = np.flatnonzero(truth != labels.UNKNOWN)
        person, truth, predicted = self.person[known], truth[known], predicted[known]
        of_person = self._cells(person, truth, predicted, size)
        drawn = np.concatenate([(of_person.T @ weights.T).T for weights in self._weights()])
        lent = np.flatnonzero(np.isin(person, self._lender))
        for group, lender, weight in zip(self.groups, self._lender, self._borrowed, strict=True):
            moved = _moved(name, truth[lent], predicted[lent], group)
            cells = self._cells(person[lent], *moved, size)
            chosen = csr_array(
                (weight, (np.arange(self.count), lender)), shape=(self.count, self.people)
            )
            drawn += (chosen @ cells).toarray()
        total = drawn.sum(1, keepdims=True)
        drawn *= np.divide(len(known), total, out=np.zeros_like(total), where=total > 0)
        return drawn.reshape(self.count, size, size)

    def means(self, values: Floats) -> Floats:
        """Means (count,) of the photos' values (N,), NaN where unknown, in the resamples. Nobody is
        borrowed: of few people, the means are too alike."""
        known = np.flatnonzero(np.isfinite(values))
        person, ones = self.person[known], np.ones(len(known))
        sums = np.bincount(person, values[known], self.people)
        photos = np.bincount(person, ones, self.people)
        return np.concatenate([weights @ sums / (weights @ photos) for weights in self._weights()])

    def sums(self, values: Floats) -> Floats:
        """Weighted sums (count, K) over the photos of their values (N, K), in the resamples. Nobody
        is borrowed, as in `means`."""
        of_person = np.stack([np.bincount(self.person, each, self.people) for each in values.T], 1)
        return np.concatenate([weights @ of_person for weights in self._weights()])

    def of_photos(self, rows: Codes) -> Iterator[Floats]:
        """Weights (R, n) of the photos at positions `rows` (n,) in the resamples, in parts. Nobody
        is borrowed, as in `means`."""
        for weights in self._weights():
            for start in range(0, len(weights), _RESAMPLES_AT_ONCE):
                yield weights[start : start + _RESAMPLES_AT_ONCE, self.person[rows]]

    def _cells(self, person: Codes, truth: Codes, predicted: Codes, size: int) -> csr_array:
        """How many photos of each person are in each cell of a confusion, (people, C * C)."""
        cells = truth.astype(np.int64) * size + predicted
        return csr_array((np.ones(len(cells)), (person, cells)), shape=(self.people, size * size))

    def _weights(self) -> Iterator[Floats]:
        """Weights (R, people) of all resamples, in parts that fit in memory; a single part is kept.

        The weights of a resample have a mean of 1.
        """
        if self._kept is not None:
            yield self._kept
            return
        random = np.random.default_rng(self.seed)
        at_once = max(1, _CELLS_AT_ONCE // max(1, self.people))
        for start in range(0, self.count, at_once):
            weights = random.standard_exponential((min(at_once, self.count - start), self.people))
            weights /= weights.mean(1, keepdims=True)
            if len(weights) == self.count:
                self._kept = weights
            yield weights


def _groups(
    table: pd.DataFrame, person: Codes, people: int
) -> tuple[list[Group], npt.NDArray[np.int64]]:
    """The groups of people, and the people with every label that anybody has."""
    columns = {name: table[name].groupby(person) for name in ("gender", "age_band", "mask")}
    first = pd.DataFrame({name: column.first() for name, column in columns.items()})
    first.loc[columns["mask"].nunique() > 1, "mask"] = labels.UNKNOWN
    present = {
        name: sorted({int(code) for code in first[name].unique()} - {labels.UNKNOWN})
        for name in ("gender", "age_band")
    }
    complete = np.ones(people, dtype=np.bool_)
    for name, codes in present.items():
        if codes:
            complete &= (first[name] != labels.UNKNOWN).to_numpy()
    keys = set(first[complete].itertuples(index=False, name=None))
    if people < ENOUGH:
        possible = (
            range(_SIZES[name]) if codes else [labels.UNKNOWN] for name, codes in present.items()
        )
        keys = set(product(*possible, {mask for *_, mask in keys}))
    groups = [Group(*map(int, key)) for key in sorted(keys)]
    return groups, np.flatnonzero(complete)


def _moved(name: str, truth: Codes, predicted: Codes, group: Group) -> tuple[Codes, Codes]:
    """The codes (N,) of photos as if their people were in the group; correct stays correct."""
    if name != "label":
        return _shifted(truth, predicted, getattr(group, name), _SIZES[name])
    moved = [
        _shifted(true, guess, getattr(group, attribute), _SIZES[attribute])
        for attribute, true, guess in zip(
            labels.ATTRIBUTES, labels.decode(truth), labels.decode(predicted), strict=True
        )
    ]
    new_truth, new_predicted = zip(*moved, strict=True)
    return labels.encode(*new_truth), labels.encode(*new_predicted)


def _shifted(truth: Codes, predicted: Codes, to: int, size: int) -> tuple[Codes, Codes]:
    """The truth set to code `to`, and the prediction as far from it as before, in the other
    direction where the codes end."""
    if to == labels.UNKNOWN:
        return truth, predicted
    error = predicted.astype(np.int64) - truth
    moved = to + error
    moved = np.where((moved < 0) | (moved >= size), to - error, moved)
    return np.full_like(truth, to), np.clip(moved, 0, size - 1)
