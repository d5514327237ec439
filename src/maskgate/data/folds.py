"""Splits people into folds, stratified by gender × age band; near-duplicates stay together.

A cluster is a person, or people who share a near-duplicate photo. Clusters are sorted by stratum
and size and assigned to the folds in turn. So every fold gets its share of each stratum to within
one cluster, in time linear in the number of people.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.config import recipe_files
from maskgate.core import files
from maskgate.data import columns, csv_files, label_words, names, near_duplicates, remembered_pairs
from maskgate.data.column_values import NEVER
from maskgate.data.near_duplicates import Pairs, Thumbnails
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed

_FOLD: Final = re.compile(r"([+-]?\d+)(\.0+)?")  # pandas writes .0 in a column with gaps
_DIGITS: Final = 9  # of a fold
_COLUMNS: Final[columns.Names] = {"person": (), "fold": ()}


@dataclass(frozen=True)
class NearDuplicates:
    """People who share near-duplicate photos: the `cluster` (N,) of each row's person, the `pairs`
    of photos, the same as `rows` (P, 2) of the table, and the number of people in the `largest`
    cluster."""

    cluster: npt.NDArray[np.int64]
    pairs: list[tuple[str, str]]
    largest: int
    rows: Pairs


def find_near_duplicates(
    photos: Photos,
    thumbnails: Thumbnails,
    remembered: Path | None = None,
    contents: Sequence[str] | None = None,
) -> NearDuplicates:
    """Near-duplicates across people; `thumbnails` returns the pictures (n, 64, 48) of n rows.

    `contents` (N,) are digests of the files, if known: people who share a file are joined, and each
    file is compared once. `remembered` is a file that caches the pairs for the same data.
    """
    person, _ = pd.factorize(photos.table["person"])
    content = np.arange(len(person)) if contents is None else pd.factorize(np.array(contents))[0]
    identical = _identical_files(content, person)

    def search() -> Pairs:
        _, first_rows = np.unique(content, return_index=True)
        known = near_duplicates.clusters(person, identical)[person]
        return first_rows[
            near_duplicates.find(lambda rows: thumbnails(first_rows[rows]), known[first_rows])
        ]

    if remembered is None:
        pairs = search()
    else:
        pairs = remembered_pairs.pairs(remembered, len(person), search)
    return join_people(photos, np.concatenate([identical, pairs]))


def _identical_files(content: npt.NDArray[np.int64], person: npt.NDArray[np.int64]) -> Pairs:
    """Pairs (P, 2) of the first row of each content and the first of each other person with it."""
    _, first = np.unique(content, return_index=True)
    rows = pd.DataFrame({"content": content, "person": person}).drop_duplicates().index.to_numpy()
    pairs = np.stack([first[content[rows]], rows], axis=1).astype(np.int64)
    return pairs[person[pairs[:, 0]] != person[pairs[:, 1]]]


def join_people(photos: Photos, pairs: Pairs) -> NearDuplicates:
    """The clusters of people who are joined by near-duplicate `pairs` (P, 2) of rows."""
    pairs = pairs.reshape(-1, 2)
    person, _ = pd.factorize(photos.table["person"])
    cluster_of_person = near_duplicates.clusters(person, pairs)
    names = photos.table["photo"].to_numpy()
    largest = int(np.bincount(cluster_of_person).max()) if len(cluster_of_person) else 0
    return NearDuplicates(
        cluster_of_person[person], [(names[a], names[b]) for a, b in pairs], largest, pairs
    )


def split(
    photos: Photos,
    cluster: npt.NDArray[np.int64],
    kind: Literal["holdout", "kfold", "all"],
    count: int,
    fraction: float,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Fold (N,) of each photo: 0…count-1, or NEVER for people who are not validated on.

    `kfold` validates on everybody once, `holdout` on a `fraction` of the people, in fold 0, `all`
    on nobody. Raises MaskgateError if there are fewer clusters of people than folds.
    """
    clusters = pd.DataFrame({"cluster": cluster, "stratum": _strata(photos)})
    clusters = clusters.groupby("cluster")["stratum"].agg(["first", "size"])
    if kind == "all":
        return np.full(len(cluster), NEVER)
    if len(clusters) < max(2, count if kind == "kfold" else 2):
        raise MaskgateError(
            f"{photos.root.resolve()}: {len(clusters)} people cannot be split in {count} folds;"
            " lower folds.count or add photos"
        )
    shuffled = clusters.sample(frac=1, random_state=seed)
    in_order = shuffled.sort_values(["first", "size"], kind="stable")
    position = np.arange(len(in_order))
    if kind == "kfold":
        fold = position % count
    else:
        random_start = np.random.default_rng(seed).random()
        held_out = np.floor((position + 1) * fraction + random_start) > np.floor(
            position * fraction + random_start
        )
        if (
            held_out.all() or not held_out.any()
        ):  # too few people for the fraction: one, or all but one
            held_out = (
                position == int(random_start * len(position))
                if not held_out.any()
                else position > 0
            )
        fold = np.where(held_out, 0, NEVER)
    fold_of_cluster = np.empty(len(in_order), dtype=np.int64)
    fold_of_cluster[in_order.index.to_numpy()] = fold
    return fold_of_cluster[cluster]


def _strata(photos: Photos) -> npt.NDArray[np.int64]:
    """Gender × age band, and also the mask if it is the same in all photos of the person."""
    table = photos.table
    by_person = table.groupby("person")["mask"]
    low, high = by_person.transform("min"), by_person.transform("max")
    mask = np.where(low == high, low, len(table))
    codes, _ = pd.factorize(
        pd.MultiIndex.from_arrays([table["gender"], table["age_band"], mask]), sort=True
    )
    return codes


def write(
    path: Path, photos: Photos, cluster: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]
) -> None:
    """Write the fold file: `person,fold,cluster`, one row per person."""
    table = pd.DataFrame({"person": photos.table["person"], "fold": fold, "cluster": cluster})
    people = table.drop_duplicates("person")
    files.replace(path, lambda temporary: people.to_csv(temporary, index=False))


def read(path: Path, photos: Photos, cluster: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The folds (N,) in a fold file.

    Raises MaskgateError if people of the table are missing in it, or if it leaks: the same person
    or near-duplicates in two folds.
    """
    rows = _rows(path).drop_duplicates()
    repeated_people = rows.loc[rows["person"].duplicated(), "person"].tolist()
    if repeated_people:
        raise MaskgateError(
            f"{path}: leaks, these people are in two folds: {listed(repeated_people)}; give each"
            " one fold"
        )
    invalid_people = rows.loc[rows["fold"] < NEVER, "person"].tolist()
    if invalid_people:
        raise MaskgateError(
            f"{path}: folds are 0, 1, … or {NEVER}; invalid for {listed(invalid_people)}"
        )
    person = photos.table["person"].map(names.normalise)
    fold = person.map(rows.set_index("person")["fold"])
    missing_people = photos.table.loc[fold.isna(), "person"].unique().tolist()
    if missing_people:
        raise MaskgateError(
            f"{path}: gives no fold for {len(missing_people)} people ({listed(missing_people)}); it"
            " belongs to other data, or add them"
        )
    spread = pd.DataFrame({"cluster": cluster, "fold": fold, "person": photos.table["person"]})
    leaking = spread.groupby("cluster")["fold"].transform("nunique") > 1
    if leaking.any():
        people = spread.loc[leaking, "person"].unique().tolist()
        raise MaskgateError(
            f"{path}: leaks, near-duplicate photos are in two folds: {listed(people)}; give those"
            " people one fold"
        )
    return fold.to_numpy(dtype=np.int64)


def _rows(path: Path) -> pd.DataFrame:
    """The columns `person`, in normal form, and `fold` (int64) of a fold file."""
    try:
        rows, _ = columns.rename_columns(csv_files.load(path), _COLUMNS, path)
    except MaskgateError as error:
        raise recipe_files.no_fold_file(path, error) from error
    missing = [name for name in _COLUMNS if name not in rows.columns]
    if missing:
        raise recipe_files.no_fold_file(path, f"it lacks {listed(missing)}")
    rows = rows[list(_COLUMNS)]
    for name in _COLUMNS:
        if rows[name].isna().any():
            row = np.flatnonzero(rows[name].isna())[0] + 2
            raise recipe_files.no_fold_file(path, f"row {row} gives no {name}")
    fold = []
    for row, text in enumerate(rows["fold"], 2):
        number = _FOLD.fullmatch(text)
        if number is None or len(number[1]) > _DIGITS:
            reason = "too large" if number else "not a whole number"
            reason = f"row {row}: fold {label_words.quoted(text)} is {reason}"
            raise recipe_files.no_fold_file(path, reason)
        fold.append(int(number[1]))
    return rows.assign(
        person=rows["person"].map(names.normalise), fold=np.array(fold, dtype=np.int64)
    )
