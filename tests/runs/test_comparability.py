"""What two runs must share to be held against each other, and what they need not."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from maskgate.errors import MaskgateError
from maskgate.runs import comparability
from maskgate.runs.comparability import ValidationSet

PHOTOS = pd.DataFrame(
    {
        "photo": ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg"],
        "person": ["a", "a", "b", "c"],
        "digest": ["a1", "a2", "b1", "c1"],
        "fold": [0, 0, 1, -1],
        "mask": [0, 2, 1, 0],
        "gender": [0, 0, 1, 1],
        "age_band": [0, 0, 2, 1],
        "label": [0, 12, 11, 4],
    }
)
FIRST = ValidationSet("first", PHOTOS, "as read")


def changed(row: int, **values: Any) -> ValidationSet:
    photos = PHOTOS.copy()
    for name, value in values.items():
        photos.loc[row, name] = value
    return ValidationSet("other", photos, "as read")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            replace(FIRST, name="other", truth="sure"),
            r"another truth than first \(sure; as",
        ),
        (changed(2, fold=0), "people are in other folds than in first"),
        (changed(3, fold=0), "people are in other folds"),  # not validated in the one
        (changed(2, person="d"), "people are in other folds"),
        (changed(1, digest="x"), "validated on other photos than first"),
        (changed(1, photo="a/3.jpg"), "validated on other photos"),
        (changed(1, mask=0, label=0), "another truth than first: the labels of a/2.jpg differ"),
        (changed(2, age_band=-1, label=-1), "the labels of b/1.jpg differ"),
    ],
)
def test_what_was_validated_otherwise_is_refused(other: ValidationSet, message: str) -> None:
    with pytest.raises(MaskgateError, match=f"^other: .*{message}"):
        comparability.check(FIRST, other)


@pytest.mark.parametrize(
    "photos",
    [
        PHOTOS.iloc[[3, 1, 0, 2]],  # another order
        PHOTOS.assign(digest=["a1", "a2", "b1", "x"]),  # of one who is trained on only
        PHOTOS.assign(label=[0, 12, 11, 5]),
        PHOTOS.assign(faces=[1, 1, 0, 1]),  # one looks for faces
    ],
)
def test_what_the_scores_do_not_rest_on_may_differ(photos: pd.DataFrame) -> None:
    comparability.check(FIRST, ValidationSet("other", photos, "as read"))
    assert not comparability.mismatch(ValidationSet("other", photos, "as read"), FIRST)
