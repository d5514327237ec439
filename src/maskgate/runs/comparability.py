"""Whether two runs were validated on the same photos, folds and labels, so that their scores can be
compared and their probabilities combined."""

import hashlib
from dataclasses import dataclass
from typing import Final

import pandas as pd

from maskgate import labels
from maskgate.data.column_values import NEVER
from maskgate.errors import MaskgateError, listed
from maskgate.runs import RunFolder, tables

_LABELS: Final = [*labels.ATTRIBUTES, "label"]


@dataclass(frozen=True)
class ValidationSet:
    """The photos, folds and labels that a run is scored on; messages call the run by `name`.

    `photos` has a row for each photo, validated or only trained on: `photo`, `person`, `digest`,
    `fold`, and the labels. `truth` says which labels these are.
    """

    name: str
    photos: pd.DataFrame
    truth: str


def validation_set(run: RunFolder) -> ValidationSet:
    """What a run that has begun is validated on. Raises MaskgateError for a damaged one."""
    return ValidationSet(str(run.path), tables.photos(run), run.status().truth)


def check(first: ValidationSet, other: ValidationSet) -> None:
    """Raise MaskgateError where the two were validated on different photos, folds or labels."""
    if reason := mismatch(first, other):
        raise MaskgateError(reason)


def mismatch(first: ValidationSet, other: ValidationSet) -> str:
    """How the two differ in truth, people, folds, photos or labels; empty where they are the same.
    People who are never validated may have other photos."""
    if other.truth != first.truth:
        return (
            f"{other.name}: scored against another truth than {first.name} ({other.truth};"
            f" {first.truth}); give all the same labels.corrections and labels.truth, with"
            " labels.tier=null to train on labels as read"
        )
    if not _fold_of_person(other.photos).equals(_fold_of_person(first.photos)):
        return (
            f"{other.name}: people are in other folds than in {first.name}; give both the same data"
            " and folds, such as by folds.file set to the folds.csv of one"
        )
    other_photos, first_photos = (_validated(each.photos) for each in (other, first))
    if not other_photos["digest"].equals(first_photos["digest"]):
        return f"{other.name}: validated on other photos than {first.name}; give both the same data"
    differs = (other_photos[_LABELS] != first_photos[_LABELS]).any(axis=1)
    if differs.any():
        photos = listed(differs.index[differs].tolist(), 2)
        return (
            f"{other.name}: scored against another truth than {first.name}: the labels of {photos}"
            " differ; give both the same labels"
        )
    return ""


def fingerprint(validated: ValidationSet) -> str:
    """A digest of all that `mismatch` compares: two that have no mismatch have the same."""
    photos = _validated(validated.photos)[["digest", *_LABELS]]
    digest = hashlib.sha256(validated.truth.encode())
    for table in (_fold_of_person(validated.photos), photos):
        digest.update(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    return digest.hexdigest()


def _fold_of_person(photos: pd.DataFrame) -> "pd.Series[int]":
    """The fold of each person."""
    return photos.drop_duplicates("person").set_index("person")["fold"].sort_index()


def _validated(photos: pd.DataFrame) -> pd.DataFrame:
    """The validated photos, in the order of their names."""
    return photos[photos["fold"] != NEVER].set_index("photo").sort_index()
