"""Which photos are explained."""

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.explain import sample


def seven_photos(people: int) -> pd.DataFrame:
    """Five photos with a mask, one with it worn incorrectly and one without, of each person."""
    masks = [0] * 5 + [1, 2]
    count = people * 7
    person = [f"p{row // 7}" for row in range(count)]
    genders = [row // 7 % 2 for row in range(count)]
    bands = [row // 7 % 3 for row in range(count)]
    return photo_table.build(
        map(str, range(count)), person, masks * people, genders, np.full(count, np.nan), bands
    )


def test_one_photo_with_each_state_of_the_mask() -> None:
    table = seven_photos(50)
    rows = sample.people(table, 60, 7)
    chosen = table.iloc[rows]
    assert len(rows) == 60 and (np.diff(rows) > 0).all()
    assert not chosen.duplicated(["person", "mask"]).any()
    assert chosen["person"].nunique() == 20
    assert (rows == sample.people(table, 60, 7)).all()
    assert (rows != sample.people(table, 60, 8)).any()
    assert len(sample.people(table, 10_000, 7)) == 150


def test_wrong_photos_are_of_different_people() -> None:
    table = seven_photos(100)
    probabilities = np.full((len(table), 18), 0.01)
    probabilities[:, 0] = 0.83  # worn, male, young
    rows = sample.wrong(table, probabilities, "gender", 7)
    chosen = table.iloc[rows]
    assert len(rows) == 50 and (chosen["gender"] == 1).all()
    assert chosen["person"].is_unique
    assert len(sample.wrong(table, probabilities, "age_band", 7)) == sample.WRONG
    unknown = table.assign(gender=np.int8(labels.UNKNOWN))
    assert not len(sample.wrong(unknown, probabilities, "gender", 7))
