"""The labels that models are trained on, and the true labels that they are scored against.

Corrections up to `labels.tier`, `labels.old_from`, ages left out and extra data change the training
labels; only `labels.truth` changes the true labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.config.recipe import DataSet, Labels
from maskgate.data import corrections
from maskgate.data.checks import Problem
from maskgate.data.column_values import AGE, DROPPED, EXTRA, NO_LABELS, PRIMARY, UNLABELLED
from maskgate.data.corrections import Corrections
from maskgate.data.table import Photos


@dataclass(frozen=True)
class TrainingLabels:
    """The labels of the primary photos (P rows each): those for `training`, and the `true` ones
    for scores, which `truth` describes.

    `sha256` is the hash of the corrections file, or empty. `changed` counts the photos whose
    training labels it changes; those that it has `dropped` (P,) are not trained on. `problems` are
    the corrections without a matching person.
    """

    training: pd.DataFrame
    true: pd.DataFrame
    dropped: npt.NDArray[np.bool_]
    truth: str = "bands 30/60, labels as read"
    sha256: str = ""
    changed: int = 0
    problems: tuple[Problem, ...] = ()


def training_labels(
    all_photos: Photos, photos: Photos, fixes: Corrections | None, settings: Labels
) -> TrainingLabels:
    """The labels of `photos`, a part of `all_photos`; corrections of the others are accepted."""
    if fixes is None:
        return TrainingLabels(photos.table, photos.table, np.zeros(len(photos.table), np.bool_))
    rows = pd.Index(all_photos.table["photo"]).get_indexer(pd.Index(photos.table["photo"]))
    corrected = corrections.apply(all_photos.table, fixes, settings.tier)
    training = corrected.table.iloc[rows].reset_index(drop=True)
    true, truth = photos.table, TrainingLabels.truth
    if settings.truth is not None:
        true_table = corrections.apply(all_photos.table, fixes, settings.truth).table
        true = true_table.iloc[rows].reset_index(drop=True)
        truth = (
            f"bands 30/60, labels corrected by {fixes.path.name} up to {settings.truth} (sha256"
            f" {fixes.sha256[:8]})"
        )
    problems = corrected.problems(fixes.path)
    if not fixes.rows:
        problems.append(Problem("no corrections", fixes.path.name, "no row below its header"))
    changed = int(corrected.changed[rows].sum())
    return TrainingLabels(
        training=training,
        true=true,
        dropped=corrected.dropped[rows],
        truth=truth,
        sha256=fixes.sha256,
        changed=changed,
        problems=tuple(problems),
    )


def build(
    primary: pd.DataFrame,
    extra: Sequence[tuple[DataSet, pd.DataFrame]],
    unlabelled: Sequence[tuple[DataSet, pd.DataFrame]],
    settings: Labels,
    dropped: npt.NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """The training table (N rows), from photo tables: the `primary` one with its training labels,
    the `extra` ones, and those of `unlabelled` photos, in this order. The primary photos that are
    `dropped` (P,) are left out.

    It has the columns of a photo table, and

    - `data`: the path of the data set as in the recipe, empty for the primary one
    - `weight`: how often a photo is drawn, relative to one of weight 1
    - `source`: PRIMARY, EXTRA or UNLABELLED
    - `left_out`: why no fold trains on the photo: AGE, DROPPED, NO_LABELS, or empty if folds do

    Names of photos and people outside the primary data set start with their data set's path.
    """
    tables = [primary.assign(data="", weight=1.0, source=PRIMARY)]
    tables += [_prefixed(data, table).assign(source=EXTRA) for data, table in extra]
    tables += [_prefixed(data, table).assign(source=UNLABELLED) for data, table in unlabelled]
    table = pd.concat(tables, ignore_index=True)
    age = table["age"].to_numpy(dtype=np.float64)
    of_age = np.isin(np.floor(age), settings.leave_out_ages)  # NaN matches no age
    left_out = np.where(of_age, AGE, np.where(table["source"] == UNLABELLED, NO_LABELS, ""))
    if dropped is not None:
        left_out[: len(primary)][dropped] = DROPPED
    return _with_age_bands(table, settings.old_from).assign(
        left_out=pd.Series(left_out, dtype="str")
    )


def namesakes(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Pairs (P, 2) of rows of a training table: the first photo of a person in the primary data
    set, and that of a person with the same name in the extra data.

    Both count as one person, as two data sets may have different photos of the same people. People
    named after their only photo are not compared.
    """
    people = table.assign(row=np.arange(len(table))).drop_duplicates("person")
    prefix = people["data"].where(people["source"] == PRIMARY, people["data"] + ":")
    bare_names = [
        person.removeprefix(prefix_of_data)
        for person, prefix_of_data in zip(people["person"], prefix, strict=True)
    ]
    people = people.assign(bare=pd.Series(bare_names, index=people.index, dtype="str"))
    people = people[people["person"] != people["photo"]]
    is_primary = people["source"] == PRIMARY
    pairs = people[is_primary].merge(people[~is_primary], on="bare", suffixes=("", "_extra"))
    return pairs[["row", "row_extra"]].to_numpy(dtype=np.int64)


def _prefixed(data: DataSet, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        photo=f"{data.path}:" + table["photo"],
        person=f"{data.path}:" + table["person"],
        data=data.path,
        weight=data.weight,
    )


def _with_age_bands(table: pd.DataFrame, old_from: int) -> pd.DataFrame:
    """The table with the third age band starting at `old_from`, if the age in years is known."""
    age = table["age"].to_numpy()
    young, _ = labels.AGE_BOUNDARIES
    new_band = labels.age_band(age, (young, old_from))
    band = np.where(new_band == labels.UNKNOWN, table["age_band"].to_numpy(), new_band)
    codes = labels.encode(table["mask"], table["gender"], band)
    return table.assign(age_band=band, label=codes)
