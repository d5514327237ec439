"""What training is told of the photos, beside the truth that scores are taken against.

Corrections up to `labels.tier`, another age at which people count as old, ages left out and
further data sets change what training is told; only `labels.truth` changes the truth.
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
from maskgate.data.column_values import AGE, EXTRA, NO_LABELS, PRIMARY, UNLABELLED
from maskgate.data.corrections import Corrections
from maskgate.data.table import Photos


@dataclass(frozen=True)
class Told:
    """The labels of the primary photos (P rows each): `training`'s, and the `true` ones that
    scores are taken against, which `truth` names.

    `sha256` is of the file of corrections, or empty; `changed` counts the photos whose labels it
    changes for training; `problems` are the corrections that concern nobody.
    """

    training: pd.DataFrame
    true: pd.DataFrame
    truth: str = "bands 30/60, labels as read"
    sha256: str = ""
    changed: int = 0
    problems: tuple[Problem, ...] = ()


def told(read: Photos, photos: Photos, fixes: Corrections | None, wanted: Labels) -> Told:
    """The labels of `photos`, which are among those `read`: to correct others is no fault."""
    if fixes is None:
        return Told(photos.table, photos.table)
    rows = pd.Index(read.table["photo"]).get_indexer(pd.Index(photos.table["photo"]))
    found = corrections.apply(read.table, fixes, wanted.tier)
    training = found.table.iloc[rows].reset_index(drop=True)
    true, truth = photos.table, Told.truth
    if wanted.truth is not None:
        corrected = corrections.apply(read.table, fixes, wanted.truth).table
        true = corrected.iloc[rows].reset_index(drop=True)
        truth = (
            f"bands 30/60, labels corrected by {fixes.path.name} up to {wanted.truth} (sha256"
            f" {fixes.sha256[:8]})"
        )
    problems = found.problems(fixes.path)
    if not fixes.rows:
        problems.append(Problem("no corrections", fixes.path.name, "no row below its header"))
    changed = int(found.changed[rows].sum())
    return Told(
        training=training,
        true=true,
        truth=truth,
        sha256=fixes.sha256,
        changed=changed,
        problems=tuple(problems),
    )


def build(
    primary: pd.DataFrame,
    extra: Sequence[tuple[DataSet, pd.DataFrame]],
    unlabelled: Sequence[tuple[DataSet, pd.DataFrame]],
    wanted: Labels,
) -> pd.DataFrame:
    """The training table (N rows) of photo tables: the `primary` one, corrected already, the
    `extra` ones, and those of `unlabelled` photos. Rows are in this order.

    Beside the photo table's columns it has

    - `data`: the path of the data set as the recipe gives it, empty for the primary one
    - `weight`: how often a photo is drawn, compared with one of weight 1
    - `source`: PRIMARY, EXTRA or UNLABELLED
    - `left_out`: why no fold trains on the photo, for its age (AGE) or lacking labels (NO_LABELS);
      else empty

    Names of photos and people that are not primary begin with their data set's path.
    """
    tables = [primary.assign(data="", weight=1.0, source=PRIMARY)]
    tables += [_named_after(data, table).assign(source=EXTRA) for data, table in extra]
    tables += [_named_after(data, table).assign(source=UNLABELLED) for data, table in unlabelled]
    table = pd.concat(tables, ignore_index=True)
    age = table["age"].to_numpy(dtype=np.float64)
    of_age = np.isin(np.floor(age), wanted.leave_out_ages)  # NaN is no age
    left_out = np.where(of_age, AGE, np.where(table["source"] == UNLABELLED, NO_LABELS, ""))
    return _aged(table, wanted.old_from).assign(left_out=pd.Series(left_out, dtype="str"))


def namesakes(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Pairs (P, 2) of rows of a training table: the first photo of a person of the primary data
    set, and that of a person of the same name in a further one.

    They are taken for one person: two data sets may hold different photos of the same people. Where
    each photo is a person of its own, its name is none of a person.
    """
    people = table.assign(row=np.arange(len(table))).drop_duplicates("person")
    prefix = people["data"].where(people["source"] == PRIMARY, people["data"] + ":")
    bare = [
        person.removeprefix(before) for person, before in zip(people["person"], prefix, strict=True)
    ]
    people = people.assign(bare=pd.Series(bare, index=people.index, dtype="str"))
    people = people[people["person"] != people["photo"]]
    own = people["source"] == PRIMARY
    pairs = people[own].merge(people[~own], on="bare", suffixes=("", "_further"))
    return pairs[["row", "row_further"]].to_numpy(dtype=np.int64)


def _named_after(data: DataSet, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        photo=f"{data.path}:" + table["photo"],
        person=f"{data.path}:" + table["person"],
        data=data.path,
        weight=data.weight,
    )


def _aged(table: pd.DataFrame, old_from: int) -> pd.DataFrame:
    """The table with the third age band from `old_from` on, where the age is known in years."""
    age = table["age"].to_numpy()
    young, _ = labels.AGE_BOUNDARIES
    moved = labels.age_band(age, (young, old_from))
    band = np.where(moved == labels.UNKNOWN, table["age_band"].to_numpy(), moved)
    codes = labels.encode(table["mask"], table["gender"], band)
    return table.assign(age_band=band, label=codes)
