"""Warns about doubtful people in a photo table; none of these problems stops a training."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.data import names
from maskgate.data.checks import APART, Problem
from maskgate.data.table import Photos
from maskgate.errors import listed

YEARS_APART: Final = 10  # a larger age difference between photos of one person is doubtful


def people_unknown(photos: Photos) -> list[Problem]:
    """One problem if photos count as one person each because their person is unknown."""
    is_ungrouped = _is_ungrouped(photos.table)
    if not is_ungrouped.any():
        return []
    photos_text = (
        "all photos"
        if is_ungrouped.all()
        else f"{is_ungrouped.sum()} of {len(is_ungrouped)} photos"
    )
    detail = "nothing says which of them show the same person; add a column person to the table"
    return [Problem(APART, photos_text, detail)]


def doubtful_people(photos: Photos) -> list[Problem]:
    """People who may be several persons, or the same person as another, by names and labels."""
    table = photos.table[~_is_ungrouped(photos.table)]
    return [*_similar(table), *_two_genders(table), *_distant_ages(table)]


def _is_ungrouped(table: pd.DataFrame) -> "np.ndarray":
    return (table["photo"] == table["person"]).to_numpy(dtype=np.bool_)


def _similar(table: pd.DataFrame) -> Iterator[Problem]:
    for first, *others in names.similar(table["person"].unique()):
        yield Problem("similar names", first, f"another person is called {listed(others)}")


def _two_genders(table: pd.DataFrame) -> Iterator[Problem]:
    known = table[table["gender"] != labels.UNKNOWN]
    for person, rows in _varied(known, "gender"):
        counts = [
            f"{word} in {photos.iloc[0]}, photos in all: {len(photos)}"
            for code, word in enumerate(labels.GENDERS)
            if len(photos := rows.loc[rows["gender"] == code, "photo"])
        ]
        yield Problem("person of two genders", person, "; ".join(counts))


def _distant_ages(table: pd.DataFrame) -> Iterator[Problem]:
    """People with ages that are far apart, or with the first and the last age band."""
    for person, rows in _varied(table[table["age"].notna()], "age", YEARS_APART):
        rows = rows.sort_values("age", kind="stable")
        ends = [f"{row.age:g} in {row.photo}" for row in rows.iloc[[0, -1]].itertuples()]
        yield Problem("person of distant ages", person, " and ".join(ends))
    groups = table[table["age"].isna() & (table["age_band"] != labels.UNKNOWN)]
    for person, rows in _varied(groups, "age_band", 1):
        rows = rows.sort_values("age_band", kind="stable").iloc[[0, -1]]
        bands = [labels.AGE_BANDS[code] for code in rows["age_band"].tolist()]
        ends = [f"{band} in {photo}" for band, photo in zip(bands, rows["photo"], strict=True)]
        yield Problem("person of distant ages", person, " and ".join(ends))


def _varied(table: pd.DataFrame, column: str, by: float = 0) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each person whose values in a column differ by more than `by`."""
    values = table.groupby("person")[column]
    spread = values.transform("max") - values.transform("min")
    for person, rows in table[spread > by].groupby("person", sort=False):
        yield str(person), rows
