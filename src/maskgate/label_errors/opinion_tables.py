"""The outside opinion of a service or a person, in a CSV.

It has a column `photo` or `person`, and some of `mask`, `gender`, `age` and `age_group`, under
the names that tables of photos use. `gender_probability` and the like say how sure it is of a
value. The CSV that `maskgate predict` writes is read too, with its 18 probabilities.
"""

from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from maskgate import labels
from maskgate.core.progress import say
from maskgate.data import columns, csv_files, label_words, names, seven_photos
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.label_errors.evidence import Evidence, Floats, of_classes

SURE: Final = 0.9  # probability of a value without one of its own
_SUREST: Final = 0.99  # at most
_AGE_ERROR: Final = 8.0  # years: the standard deviation of ages that people or networks guess
_READERS: Final[dict[str, Callable[[str], float]]] = {
    "mask": label_words.mask,
    "gender": label_words.gender,
    "age": label_words.years,
    "age_group": lambda text: label_words.age_group(text)[0],
}


def of_csv(path: Path, photos: Photos) -> Evidence:
    """What the CSV at `path` says about the N `photos`. Raises MaskgateError, which lists all rows
    with values that cannot be read."""
    rows, _ = columns.rename_columns(csv_files.load(path), columns.PHOTOS, path)
    key = "photo" if "photo" in rows.columns else "person"
    if key not in rows.columns:
        raise MaskgateError(
            f"{path}: lacks the columns photo and person; an opinion has one of them, and some of"
            " mask, gender, age and age_group"
        )
    place = _places(rows[key].fillna(""), key, photos, path)
    if set(labels.PROBABILITY_COLUMNS) <= set(rows.columns):
        evidence = _of_predictions(path, rows)
    else:
        evidence = _of_values(path, rows)
    probabilities = {name: _at(values, place) for name, values in evidence.probabilities.items()}
    return Evidence(evidence.name, probabilities, _at(evidence.ages, place))


def _places(keys: pd.Series, key: str, photos: Photos, path: Path) -> npt.NDArray[np.int64]:
    """The row of the CSV for each photo (N,), -1 where it has none."""
    known = keys.map(names.normalise)
    if key == "photo":
        of_table = set(photos.table["photo"].map(names.normalise))
        known = known.map(lambda name: _photo(name, of_table))
    else:
        of_ids = seven_photos.names_by_id(photos.table["person"].map(names.normalise).unique())
        known = known.map(lambda name: of_ids.get(name, name))
    repeated = known[known.duplicated() & (known != "")].unique().tolist()
    if repeated:
        raise MaskgateError(
            f"{path}: {len(repeated)} of {key}s are listed twice: {listed(repeated)}; keep one row"
            " of each"
        )
    place_of = dict(zip(known, range(len(known)), strict=True))
    place = np.array(
        [place_of.get(names.normalise(name), -1) for name in photos.table[key]], dtype=np.int64
    )
    if (place < 0).all():
        raise MaskgateError(
            f"{path}: names no {key} of the data, such as {photos.table[key].iloc[0]}; give"
            f" an opinion of these {key}s"
        )
    if (missing := int((place < 0).sum())) and key == "photo":
        say(f"{path}: says nothing about {missing} of {len(place)} photos")
    return place


def _photo(name: str, photos: Collection[str]) -> str:
    """The photo of this name, which may have more folders before it; the name if there is none."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in photos), name)


def _at(values: Floats, place: npt.NDArray[np.int64]) -> Floats:
    """The rows at these places, NaN for -1."""
    of_photos = values[place]
    of_photos[place < 0] = np.nan
    return of_photos


def _of_predictions(path: Path, rows: pd.DataFrame) -> Evidence:
    """The evidence of a CSV of predictions."""
    chosen = [*labels.PROBABILITY_COLUMNS, *(["age"] if "age" in rows.columns else [])]
    numbers = rows[chosen].apply(pd.to_numeric, errors="coerce")
    probabilities = numbers[list(labels.PROBABILITY_COLUMNS)].to_numpy(np.float64)
    if not np.isclose(probabilities.sum(1), 1, atol=0.01).all() or (probabilities < 0).any():
        raise MaskgateError(
            f"{path}: its columns p00 to p17 are not probabilities that sum to 1; write it again"
            " with maskgate predict"
        )
    column_of = {"mask": "mask", "gender": "gender", "age_band": "age_group"}
    attributes = [
        name for name, column in column_of.items() if column in rows and rows[column].notna().any()
    ]
    ages = numbers["age"].to_numpy(np.float64) if "age" in numbers else None
    return of_classes(path.name, probabilities, attributes, ages)


def _of_values(path: Path, rows: pd.DataFrame) -> Evidence:
    """The evidence of a CSV of values."""
    errors: list[str] = []
    codes = {
        name: _read(rows[name], name, read, errors)
        for name, read in _READERS.items()
        if name in rows.columns
    }
    if not codes:
        raise MaskgateError(f"{path}: has none of the columns {listed(list(_READERS))}; add one")
    if errors:
        raise MaskgateError(f"{path}: {listed(errors)}; fix the file")
    ages = codes.pop("age", np.full(len(rows), np.nan))
    if "age_group" in codes:
        first = codes.pop("age_group")
        codes["age_band"] = np.where(first >= 0, labels.age_band(first), np.nan)
    probabilities = {
        name: _around(values, _confidence(path, rows, name), len(labels.ATTRIBUTES[name]))
        for name, values in codes.items()
    }
    if np.isfinite(ages).any():
        bands = _bands(ages)
        of_groups = probabilities.get("age_band", np.full_like(bands, np.nan))
        probabilities["age_band"] = np.where(np.isfinite(of_groups), of_groups, bands)
    return Evidence(path.name, probabilities, ages)


def _read(column: pd.Series, name: str, read: Callable[[str], float], errors: list[str]) -> Floats:
    """The values of a column as numbers (R,), NaN where it is empty."""
    values = np.full(len(column), np.nan)
    for place, text in enumerate(column):
        if isinstance(text, str):
            try:
                values[place] = read(text)
            except ValueError:
                errors.append(f"row {place + 2} (unknown {name} {label_words.quoted(text)})")
    return values


def _confidence(path: Path, rows: pd.DataFrame, name: str) -> Floats:
    """The probability of each row's value (R,)."""
    column = f"{name}_probability"
    if column not in rows.columns:
        return np.full(len(rows), SURE)
    numbers = pd.to_numeric(rows[column], errors="coerce").to_numpy(np.float64)
    if ((numbers < 0) | (numbers > 1)).any():
        raise MaskgateError(f"{path}: {column} has values outside 0 to 1; write probabilities")
    return np.where(np.isnan(numbers), SURE, numbers)


def _around(codes: Floats, confidence: Floats, count: int) -> Floats:
    """Probabilities (R, count): `confidence` (R,) for the value, the rest shared by the others."""
    confidence = confidence.clip(1 / count, _SUREST)
    probabilities = np.repeat(((1 - confidence) / (count - 1))[:, None], count, axis=1)
    known = np.isfinite(codes)
    probabilities[known, codes[known].astype(np.int64)] = confidence[known]
    probabilities[~known] = np.nan
    return probabilities


def _bands(ages: Floats) -> Floats:
    """Probabilities (R, 3) of the age bands, for ages that are off by some years."""
    below = norm.cdf((np.array(labels.AGE_BOUNDARIES) - 0.5 - ages[:, None]) / _AGE_ERROR)
    return np.diff(below, axis=1, prepend=0, append=1)
