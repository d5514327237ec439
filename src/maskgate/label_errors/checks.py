"""Checks of the labels of one attribute: how probably each is wrong, and what the sources say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import seeding
from maskgate.label_errors import ages, estimate, pooling, same_people
from maskgate.label_errors.estimate import Estimate
from maskgate.label_errors.evidence import Evidence, Floats
from maskgate.label_errors.pooling import Rows

FEW: Final = 20  # labels; fewer teach nothing about errors
COPIES: Final = 5  # of the labels, with a wrong one planted for each
FAR: Final = same_people.FAR
_DONORS: Final = 256  # people whose ages are planted
_SEED: Final = 0


@dataclass(frozen=True)
class Check:
    """The labels of one attribute that were checked: U labels, each of some of N photos.

    `table` has a row for each label: `person`, `photo` (empty if it is of the person), `label` and
    `predicted` (codes), `age` and `predicted_age` (years, NaN where unknown), `cluster`. `group`
    (N,) is the label of each photo, -1 for none; `probabilities` (U, k) are those of the values, by
    all sources; `conflicts` lists for each label the people of `same_people` who have another.
    """

    attribute: str
    table: pd.DataFrame
    group: Rows
    probabilities: Floats
    estimate: Estimate
    conflicts: list[list[str]]


def gender(table: pd.DataFrame, sources: Sequence[Evidence], pairs: Rows) -> Check | None:
    """The check of the genders of people, by N photos. `pairs` (P, 2) are rows of photos of
    near-duplicate people. None where the labels do not suffice."""
    units, group = _people(table, "gender")
    if not _suffice(units, sources, "gender"):
        return None
    rows = np.flatnonzero(group >= 0)
    labelled_sources, of_rows = [source.take(rows) for source in sources], group[rows]
    kind = pooling.kinds(labelled_sources, len(rows))
    label = units["label"].to_numpy()
    logs = pooling.pooled(labelled_sources, "gender", of_rows, len(units), kind=kind)

    def features(codes: Rows) -> Floats:
        return np.column_stack([pooling.log_odds(logs, codes), _values(label, codes)])

    pairs = np.concatenate([_unit_pairs(group, pairs), _contradictory(units)])
    differs = label[pairs[:, 0]] != label[pairs[:, 1]]
    result = estimate.estimate(
        features(label),
        features(1 - label)[None],
        estimate.folds_of(units["cluster"].to_numpy()),
        same_people.ratios(pairs, differs, len(units)),
        what="genders",
    )
    probabilities = pooling.probabilities(labelled_sources, "gender", of_rows, len(units))
    return _check(
        "gender",
        units,
        group,
        probabilities=probabilities,
        result=result,
        conflicting=pairs[differs],
    )


def age_band(table: pd.DataFrame, sources: Sequence[Evidence], pairs: Rows) -> Check | None:
    """The check of the age bands of people, and of their ages in years where known; as `gender`.

    A planted age is that of somebody else, in another band and at least FAR years away.
    """
    units, group = _people(table, "age_band")
    if not _suffice(units, sources, "age_band"):
        return None
    rows = np.flatnonzero(group >= 0)
    labelled_sources, of_rows = [source.take(rows) for source in sources], group[rows]
    kind = pooling.kinds(labelled_sources, len(rows))
    label, age = units["label"].to_numpy(), units["age"].to_numpy(np.float64)
    logs = pooling.pooled(labelled_sources, "age_band", of_rows, len(units), kind=kind)
    fold = estimate.folds_of(units["cluster"].to_numpy())
    predicted = np.full(len(units), np.nan)
    if np.isfinite(age).sum() >= FEW:
        predicted = ages.predict(
            _age_evidence(labelled_sources, of_rows, kind, len(units)), age, fold
        )

    def features(codes: Rows, years: Floats) -> Floats:
        gap = np.nan_to_num(years - predicted)
        over = np.abs(gap)
        per_label = _values(label, codes)
        parts = [pooling.log_odds(logs, codes), gap, over, np.maximum(over - FAR, 0)]
        return np.column_stack([*parts, per_label, per_label * gap[:, None]])

    planted = np.stack([features(*copy) for copy in _planted_ages(label, age)])
    pairs = _unit_pairs(group, pairs)
    apart = np.abs(age[pairs[:, 0]] - age[pairs[:, 1]])
    other_band = label[pairs[:, 0]] != label[pairs[:, 1]]
    differs = np.where(np.isfinite(apart), apart >= FAR, other_band)
    evidence = same_people.ratios(pairs, differs, len(units))
    result = estimate.estimate(features(label, age), planted, fold, evidence, what="ages")
    probabilities = pooling.probabilities(labelled_sources, "age_band", of_rows, len(units))
    units = units.assign(predicted_age=predicted)
    return _check(
        "age_band",
        units,
        group,
        probabilities=probabilities,
        result=result,
        conflicting=pairs[differs],
    )


def mask(table: pd.DataFrame, sources: Sequence[Evidence]) -> Check | None:
    """The check of the mask states of N photos, each by itself. None where they do not suffice."""
    rows = np.flatnonzero(table["mask"].to_numpy() != labels.UNKNOWN)
    units = pd.DataFrame(
        {
            "person": table["person"].to_numpy()[rows],
            "photo": table["photo"].to_numpy()[rows],
            "label": table["mask"].to_numpy(np.int64)[rows],
            "age": np.nan,
            "cluster": table["cluster"].to_numpy()[rows],
        }
    )
    if not _suffice(units, sources, "mask"):
        return None
    group = np.full(len(table), -1)
    group[rows] = np.arange(len(rows))
    labelled_sources, of_rows = [source.take(rows) for source in sources], np.arange(len(rows))
    label = units["label"].to_numpy()
    logs = pooling.pooled(
        labelled_sources, "mask", of_rows, len(rows), kind=np.zeros(len(rows), dtype=np.int64)
    )

    def features(codes: Rows) -> Floats:
        return np.column_stack([pooling.log_odds(logs, codes), _values(label, codes)])

    present = np.unique(label)
    planted = [
        features(present[(np.searchsorted(present, label) + step) % len(present)])
        for step in range(1, len(present))
    ]
    fold = estimate.folds_of(units["cluster"].to_numpy())
    result = estimate.estimate(features(label), np.stack(planted), fold, what="masks")
    probabilities = pooling.probabilities(labelled_sources, "mask", of_rows, len(rows))
    return _check(
        "mask",
        units,
        group,
        probabilities=probabilities,
        result=result,
        conflicting=np.zeros((0, 2), dtype=np.int64),
    )


# --------------------------------------------------------------------------------- parts


def _people(table: pd.DataFrame, attribute: str) -> tuple[pd.DataFrame, Rows]:
    """One row for each person and label, and its place for each photo (N,), -1 where unknown.

    Photos of a person with different labels are different rows.
    """
    known = table[attribute].to_numpy() != labels.UNKNOWN
    keys = ["person", attribute]
    group = np.full(len(table), -1)
    labelled = table[known].groupby(keys, sort=False)
    group[known] = labelled.ngroup().to_numpy()
    units = labelled.agg({"age": "mean", "cluster": "first"}).reset_index()
    units = units.rename(columns={attribute: "label"}).astype({"label": "int64"})
    return units.assign(photo=""), group


def _suffice(units: pd.DataFrame, sources: Sequence[Evidence], attribute: str) -> bool:
    """Whether there are enough labels of enough people, and several values of them."""
    is_known = any(attribute in source.probabilities for source in sources)
    enough = units["cluster"].nunique() >= FEW and units["label"].nunique() > 1
    return bool(is_known and enough)


def _values(label: Rows, codes: Rows) -> Floats:
    """Whether each of `codes` (U,) is a certain value, for all values but one that occur among the
    labels as they are (U,): (U, V - 1)."""
    return np.equal.outer(codes, np.unique(label)[1:]).astype(np.float64)


def _unit_pairs(group: Rows, pairs: Rows) -> Rows:
    """Pairs (P, 2) of labels, each once, from pairs of photos."""
    of_labels = np.sort(group[pairs].reshape(-1, 2), axis=1)
    of_labels = of_labels[(of_labels[:, 0] >= 0) & (of_labels[:, 0] != of_labels[:, 1])]
    return np.unique(of_labels, axis=0)


def _contradictory(units: pd.DataFrame) -> Rows:
    """Pairs (P, 2) of labels of one person."""
    places = units.groupby("person", sort=False).indices.values()
    pairs = [(one, other) for each in places for one in each for other in each if one < other]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _age_evidence(sources: Sequence[Evidence], group: Rows, kind: Rows, count: int) -> Floats:
    """What ages are predicted from (U, F): means of the log-probabilities of bands, and of the
    sources' own ages, by kind of photo; the mean of all people where one has none."""
    columns = []
    for source in sources:
        values = [source.ages[:, None]]
        if "age_band" in source.probabilities:
            values.append(pooling.log_probabilities(source, "age_band"))
        for each in values:
            for of_kind in pooling.by_kind(each, group, count, kind):
                known = np.isfinite(of_kind[:, 0])
                has_any = np.bincount(group[known], minlength=count) > 0
                if has_any.sum() >= FEW:
                    means = pooling.by_group(of_kind, group, count, power=1.0)
                    means[~has_any] = means[has_any].mean(0)
                    columns += [*means.T]
    return np.stack(columns, axis=1)


def _planted_ages(label: Rows, age: Floats) -> list[tuple[Rows, Floats]]:
    """COPIES of band (U,) and age in years (U,) of all people, all of them wrong."""
    random = np.random.default_rng(seeding.derive(_SEED, "suspects", "ages"))
    _, of_each_band = np.unique(label, return_index=True)
    donors = np.union1d(random.permutation(len(label))[:_DONORS], of_each_band)
    other_band = label[:, None] != label[donors]
    far = other_band & ~(np.abs(age[:, None] - age[donors]) < FAR)
    far = np.where(far.any(1)[:, None], far, other_band)
    copies = []
    for _ in range(COPIES):
        donor = donors[np.where(far, random.random(far.shape), -1).argmax(1)]
        copies.append((label[donor], np.where(np.isfinite(age), age[donor], np.nan)))
    return copies


def _check(
    attribute: str,
    units: pd.DataFrame,
    group: Rows,
    probabilities: Floats,
    result: Estimate,
    conflicting: Rows,
) -> Check:
    people = units["person"].to_numpy()
    conflicts: list[list[str]] = [[] for _ in range(len(units))]
    for one, other in conflicting:
        conflicts[one].append(str(people[other]))
        conflicts[other].append(str(people[one]))
    table = units.assign(predicted=probabilities.argmax(1))
    if "predicted_age" not in table:
        table = table.assign(predicted_age=np.nan)
    return Check(
        attribute, table, group, probabilities=probabilities, estimate=result, conflicts=conflicts
    )
