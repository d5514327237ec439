"""Whether two runs were validated alike, so that their scores or answers can be held together."""

from dataclasses import dataclass
from typing import Final

import pandas as pd

from maskgate import labels
from maskgate.data.column_values import NEVER
from maskgate.errors import MaskgateError, listed
from maskgate.runs import Run, tables

_LABELS: Final = [*labels.ATTRIBUTES, "label"]


@dataclass(frozen=True)
class Validated:
    """What the scores of a run, which messages call by `name`, are taken on.

    `photos` has a row for each photo, validated or trained on only: `photo`, `person`, `digest`,
    `fold`, and the labels of the `truth`.
    """

    name: str
    photos: pd.DataFrame
    truth: str


def of(run: Run) -> Validated:
    """What a run that has begun is validated on. Raises MaskgateError for a damaged one."""
    return Validated(str(run.path), tables.photos(run), run.status().truth)


def check(first: Validated, other: Validated) -> None:
    """Raise MaskgateError where the two were not validated alike."""
    if told := unlike(first, other):
        raise MaskgateError(told)


def unlike(first: Validated, other: Validated) -> str:
    """The truth, people, folds, photos or labels in which the two differ; nothing where they are
    alike. People who are never validated may have other photos."""
    if other.truth != first.truth:
        return (
            f"{other.name}: scored against another truth than {first.name} ({other.truth};"
            f" {first.truth}); give all the same labels.corrections and labels.truth"
        )
    folds_here, folds_there = (_of_people(each.photos) for each in (other, first))
    if not folds_here.equals(folds_there):
        return (
            f"{other.name}: people are in other folds than in {first.name}; give both the same data"
            " and folds, such as by folds.file set to the folds.csv of one"
        )
    here, there = (_validated(each.photos) for each in (other, first))
    if not here["digest"].equals(there["digest"]):
        return f"{other.name}: validated on other photos than {first.name}; give both the same data"
    odd = (here[_LABELS] != there[_LABELS]).any(axis=1)
    if odd.any():
        photos = listed(odd.index[odd].tolist(), 2)
        return (
            f"{other.name}: scored against another truth than {first.name}, {photos} being labelled"
            " otherwise; give both the same labels"
        )
    return ""


def _of_people(photos: pd.DataFrame) -> "pd.Series[int]":
    """The fold of each person."""
    return photos.drop_duplicates("person").set_index("person")["fold"].sort_index()


def _validated(photos: pd.DataFrame) -> pd.DataFrame:
    """The validated photos, in the order of their names."""
    return photos[photos["fold"] != NEVER].set_index("photo").sort_index()
