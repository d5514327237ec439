"""Splits people, never photos: stratified by gender × age band, near-duplicates together.

Clusters of people are dealt like cards, sorted by stratum and size, so every fold gets its
share of each stratum to within one cluster, in time linear in the number of people.
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

_FOLD: Final = re.compile(r"([+-]?\d+)(\.0+)?")  # with .0 as pandas saves a column with gaps
_DIGITS: Final = 9  # of a fold
_COLUMNS: Final[columns.Names] = {"person": (), "fold": ()}


@dataclass(frozen=True)
class Twins:
    """People who share a photo: `cluster` (N,) of each row's person, the pairs of photos that
    show it (`rows` (P, 2) of the table), and how many people the largest cluster holds."""

    cluster: npt.NDArray[np.int64]
    pairs: list[tuple[str, str]]
    largest: int
    rows: Pairs


def find_twins(
    photos: Photos,
    thumbnails: Thumbnails,
    remembered: Path | None = None,
    contents: Sequence[str] | None = None,
) -> Twins:
    """Near-duplicates across people; `thumbnails` gives the pictures (n, 64, 48) of n rows.

    `contents` (N,) are digests of the files, if known: people who share a file are joined by it,
    and each file is looked at once. The search is a function of all these; `remembered` is a file
    that keeps its result between runs of the same data.
    """
    person, _ = pd.factorize(photos.table["person"])
    content = np.arange(len(person)) if contents is None else pd.factorize(np.array(contents))[0]
    identical = _identical(content, person)

    def search() -> Pairs:
        _, once = np.unique(content, return_index=True)
        known = near_duplicates.clusters(person, identical)[person]
        return once[near_duplicates.find(lambda rows: thumbnails(once[rows]), known[once])]

    if remembered is None:
        pairs = search()
    else:
        pairs = remembered_pairs.pairs(remembered, len(person), search)
    return joined(photos, np.concatenate([identical, pairs]))


def _identical(content: npt.NDArray[np.int64], person: npt.NDArray[np.int64]) -> Pairs:
    """Pairs (P, 2) of the first row of each content and the first of each other person with it."""
    _, first = np.unique(content, return_index=True)
    rows = pd.DataFrame({"content": content, "person": person}).drop_duplicates().index.to_numpy()
    pairs = np.stack([first[content[rows]], rows], axis=1).astype(np.int64)
    return pairs[person[pairs[:, 0]] != person[pairs[:, 1]]]


def joined(photos: Photos, pairs: Pairs) -> Twins:
    """The people whom `pairs` (P, 2) of rows that show one shot join."""
    pairs = pairs.reshape(-1, 2)
    person, _ = pd.factorize(photos.table["person"])
    of_person = near_duplicates.clusters(person, pairs)
    names = photos.table["photo"].to_numpy()
    largest = int(np.bincount(of_person).max()) if len(of_person) else 0
    return Twins(of_person[person], [(names[a], names[b]) for a, b in pairs], largest, pairs)


def split(
    photos: Photos,
    cluster: npt.NDArray[np.int64],
    kind: Literal["holdout", "kfold", "all"],
    count: int,
    fraction: float,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Fold (N,) of each photo: 0…count-1, or NEVER for those never validated on.

    `kfold` validates everybody once, `holdout` a `fraction` of the people in fold 0, `all`
    nobody. Raises MaskgateError where there are fewer clusters of people than folds.
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
    dealt = shuffled.sort_values(["first", "size"], kind="stable")
    turn = np.arange(len(dealt))
    if kind == "kfold":
        fold = turn % count
    else:
        start = np.random.default_rng(seed).random()
        held = np.floor((turn + 1) * fraction + start) > np.floor(turn * fraction + start)
        if held.all() or not held.any():  # too few people for the fraction: one, or all but one
            held = turn == int(start * len(turn)) if not held.any() else turn > 0
        fold = np.where(held, 0, NEVER)
    of_cluster = np.empty(len(dealt), dtype=np.int64)
    of_cluster[dealt.index.to_numpy()] = fold
    return of_cluster[cluster]


def _strata(photos: Photos) -> npt.NDArray[np.int64]:
    """Gender × age band, and the mask where all photos of the person show the same one."""
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
    """The fold file: `person,fold,cluster`, one row a person."""
    table = pd.DataFrame({"person": photos.table["person"], "fold": fold, "cluster": cluster})
    people = table.drop_duplicates("person")
    files.replace(path, lambda beside: people.to_csv(beside, index=False))


def read(path: Path, photos: Photos, cluster: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Folds (N,) of a fold file given back.

    Raises MaskgateError where the file lacks people of the table, or leaks: a person or a
    near-duplicate on both sides of a split.
    """
    rows = _rows(path).drop_duplicates()
    twice = rows.loc[rows["person"].duplicated(), "person"].tolist()
    if twice:
        raise MaskgateError(
            f"{path}: leaks, these people are in two folds: {listed(twice)}; give each one fold"
        )
    odd = rows.loc[rows["fold"] < NEVER, "person"].tolist()
    if odd:
        raise MaskgateError(f"{path}: folds are 0, 1, … or {NEVER}; odd for {listed(odd)}")
    person = photos.table["person"].map(names.normalise)
    fold = person.map(rows.set_index("person")["fold"])
    absent = photos.table.loc[fold.isna(), "person"].unique().tolist()
    if absent:
        raise MaskgateError(
            f"{path}: gives no fold for {len(absent)} people ({listed(absent)}); it belongs to"
            " other data, or add them"
        )
    spread = pd.DataFrame({"cluster": cluster, "fold": fold, "person": photos.table["person"]})
    leaking = spread.groupby("cluster")["fold"].transform("nunique") > 1
    if leaking.any():
        people = spread.loc[leaking, "person"].unique().tolist()
        raise MaskgateError(
            f"{path}: leaks, photos of one shot are in two folds: {listed(people)}; give those"
            " people one fold"
        )
    return fold.to_numpy(dtype=np.int64)


def _rows(path: Path) -> pd.DataFrame:
    """The columns `person`, in normal form, and `fold` (int64) of a fold file."""
    try:
        rows, _ = columns.renamed(csv_files.load(path), _COLUMNS, path)
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
            why = "too large" if number else "not a whole number"
            why = f"row {row}: fold {label_words.quoted(text)} is {why}"
            raise recipe_files.no_fold_file(path, why)
        fold.append(int(number[1]))
    return rows.assign(
        person=rows["person"].map(names.normalise), fold=np.array(fold, dtype=np.int64)
    )
