"""Errors of the age band by year, against a count of photos."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.evaluation import age_by_year, metrics


def photos(people_of_age: dict[float, int]) -> pd.DataFrame:
    """Two photos each of so many people of an age."""
    ages = np.repeat(list(people_of_age), list(people_of_age.values()))
    person = np.repeat(np.arange(len(ages)), 2)
    return photo_table.build(
        photo=[f"{number}.jpg" for number in range(len(person))],
        person=[f"p{number}" for number in person],
        mask=np.zeros(len(person)),
        gender=np.zeros(len(person)),
        age=ages[person],
    )


def predicted(bands: "np.typing.NDArray[np.integer]") -> "np.typing.NDArray[np.float32]":
    return np.eye(labels.COUNT, dtype=np.float32)[bands]


def test_errors_are_counted_by_year_and_direction() -> None:
    table = photos({28.5: 20, 29: 20, 30: 12, 31: 30, 60: 20})
    random = np.random.default_rng(2)
    bands = random.integers(0, 3, len(table))
    years = age_by_year.errors(predicted(bands), table)
    assert [each.name for each in years] == ["28", "29", "30", "31", "60"]
    assert [each.band for each in years] == ["<30", "<30", "30-59", "30-59", ">=60"]
    for each in years:
        rows = np.floor(table["age"]) == each.first
        error = bands[rows] - table.loc[rows, "age_band"]
        assert (each.photos, each.people) == (rows.sum(), table.loc[rows, "person"].nunique())
        for score, wrong in ((each.wrong, error != 0), (each.younger, error < 0),
                             (each.older, error > 0)):  # fmt: skip
            assert score.value == pytest.approx(wrong.mean())
            assert score.low <= score.value <= score.high
    assert years[0].younger.value == 0
    assert years[0].younger.high == pytest.approx(1 - 0.025 ** (1 / 20)), "never surely zero"


@pytest.mark.parametrize(
    ("people", "names"),
    [
        ({27: 4, 28: 4, 29: 4, 30: 4, 31: 20}, ["27–29", "30–31"]),
        ({28: 12, 29: 4, 30: 12}, ["28–29", "30"]),
        ({29: 9, 30: 12}, ["30"]),
        ({np.nan: 30}, []),
    ],
    ids=["joined until enough", "the last are joined backwards", "too few", "unknown"],
)
def test_years_of_few_people_are_joined_within_their_band(
    people: dict[float, int], names: list[str]
) -> None:
    table = photos(people)
    years = age_by_year.errors(predicted(np.zeros(len(table), int)), table)
    assert [each.name for each in years] == names
    assert all(each.people >= metrics.FEW for each in years)
