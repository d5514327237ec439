"""Known label errors: a CSV of corrections that are applied to the photo table.

The source files are not changed. A row gives the person, the field, the true value, and how sure
it is::

    person,field,value,tier,reason
    001498-1,gender,female,sure,all lists
    000020,normal,incorrect,sure,incorrect_mask and normal are swapped
    000777,drop,yes,likely,two people in one photo

The field `drop` leaves the person, or the photo, out of training. The columns `reason` and `author`
may be missing; others are not read.
"""

import difflib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.config.recipe import Tier
from maskgate.data import columns, csv_files, label_words, names, seven_photos
from maskgate.data.checks import Problem
from maskgate.data.label_words import OLDEST
from maskgate.data.table import AGE_GROUP
from maskgate.errors import MaskgateError, listed

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)  # the most certain first
_NEEDED: Final[columns.Names] = {"person": (), "field": (), "value": (), "tier": ()}
# The column of the photo table by field.
_ATTRIBUTES: Final = {"gender": "gender", "age": "age", "age_band": "age_band", "mask": "mask"}
DROP: Final = "drop"
FIELDS: Final = _ATTRIBUTES | dict.fromkeys(seven_photos.STEMS, "mask") | {DROP: DROP}
_BANDS: Final = {word: code for code, word in enumerate(labels.AGE_BANDS)}
_CODES: Final[dict[str, Callable[[str], int]]] = {
    "gender": label_words.gender,
    "mask": label_words.mask,
    "age_band": lambda word: _BANDS[word.lower()],
    DROP: lambda word: {"yes": 1}[word.lower()],
}
# Words that a message suggests instead of an unknown one.
_OFFERED: Final = {**labels.ATTRIBUTES, "gender": (*labels.GENDERS, "m", "f"), DROP: ("yes",)}


@dataclass(frozen=True)
class Correction:
    """One row of the file: the true `value`, a code or years, of a person's `field`."""

    row: int
    person: str
    field: str
    value: int
    tier: Tier
    reason: str = ""
    author: str = ""

    @property
    def attribute(self) -> str:
        """The column of the photo table that is corrected, or DROP."""
        return FIELDS[self.field]


@dataclass(frozen=True)
class Corrections:
    """A corrections file."""

    path: Path
    sha256: str
    rows: tuple[Correction, ...]

    def up_to(self, tier: Tier | None) -> list[Correction]:
        """The corrections of this tier and of all more certain ones; none of None."""
        tiers = TIERS[: TIERS.index(tier) + 1] if tier is not None else ()
        return [correction for correction in self.rows if correction.tier in tiers]


@dataclass(frozen=True)
class Corrected:
    """A photo table with corrections applied, and which of its rows (N,) they changed and dropped.

    `unused` are corrections that match no photo of the table.
    """

    table: pd.DataFrame
    changed: npt.NDArray[np.bool_]
    dropped: npt.NDArray[np.bool_]
    unused: list[Correction]

    def problems(self, file: Path) -> list[Problem]:
        """A problem for each unused correction of the `file`."""
        return [
            Problem("correction of nobody here", unused.person, f"row {unused.row} of {file.name}")
            for unused in self.unused
        ]


def read(path: Path) -> Corrections:
    """The corrections in a CSV. Raises MaskgateError that lists all invalid rows."""
    table, _ = columns.rename_columns(csv_files.load(path), _NEEDED, path)
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise MaskgateError(
            f"{path}: lacks the columns {listed(missing)}; corrections have the columns"
            " person,field,value,tier,reason"
        )
    rows, errors = [], []
    cells = table.fillna("").reindex(columns=[*_NEEDED, "reason", "author"], fill_value="")
    for number, (*needed, reason, author) in enumerate(cells.itertuples(index=False), 2):
        try:
            correction = _correction(number, *map(str, needed))
            rows.append(replace(correction, reason=reason, author=author))
        except ValueError as error:
            errors.append(f"row {number} ({error})")
    errors += _contradictions(rows)
    if errors:
        raise MaskgateError(f"{path}: {listed(errors)}; fix the file")
    return Corrections(path, hashlib.sha256(path.read_bytes()).hexdigest(), tuple(rows))


def _correction(row: int, person: str, field: str, value: str, tier: str) -> Correction:
    """The correction of a row. Raises ValueError that says what is wrong with it."""
    person = names.normalise(person)
    if not person:
        raise ValueError("no person")
    attribute = FIELDS.get(field)
    if attribute is None:
        raise ValueError(_unknown("field", field, FIELDS))
    if tier not in TIERS:
        raise ValueError(_unknown("tier", tier, TIERS))
    if attribute == "age":
        return Correction(row=row, person=person, field=field, value=_age(value), tier=tier)
    try:
        code = _CODES[attribute](value)
    except (ValueError, KeyError):
        raise ValueError(_unknown(attribute, value, _OFFERED[attribute])) from None
    return Correction(row=row, person=person, field=field, value=code, tier=tier)


def _age(value: str) -> int:
    try:
        years = label_words.years(value)
    except ValueError:
        raise ValueError(f"age {label_words.quoted(value)} is not 0–{OLDEST}") from None
    if years % 1:
        raise ValueError(f"age {label_words.quoted(value)} is not a whole number")
    return int(years)


def _unknown(kind: str, value: str, known: Iterable[str]) -> str:
    known = list(known)
    matches = difflib.get_close_matches(value, known, 1)
    hint = f"did you mean {matches[0]}?" if matches else f"known are {listed(known, 12)}"
    return f"unknown {kind} {label_words.quoted(value)}, {hint}"


def _contradictions(rows: list[Correction]) -> list[str]:
    first_by_key: dict[tuple[str, str], Correction] = {}
    contradictions = []
    for correction in rows:
        first_correction = first_by_key.setdefault(
            (correction.person, correction.field), correction
        )
        if first_correction.value != correction.value:
            contradictions.append(_contradiction(first_correction, correction))
    return contradictions


def _contradiction(one: Correction, other: Correction) -> str:
    return f"rows {one.row} and {other.row} contradict each other about {other.person}"


# ------------------------------------------------------------------------- in the table


def apply(table: pd.DataFrame, corrections: Corrections, tier: Tier | None) -> Corrected:
    """The photo table (N rows, in order) with the corrections up to `tier`.

    If a corrected age band contradicts the age in years or the age group, these become unknown.
    All labels of dropped photos become unknown.
    Raises MaskgateError if several people have a corrected id, or if corrections contradict each
    other about a photo.
    """
    columns = {name: table[name].to_numpy(copy=True) for name in _ATTRIBUTES.values()}
    rows_of = row_finder(table, corrections)
    applied: dict[tuple[str, int], Correction] = {}
    is_dropped = np.zeros(len(table), dtype=np.bool_)
    unused = []
    for correction in corrections.up_to(tier):
        rows = rows_of(correction)
        if not len(rows):
            unused.append(correction)
        if correction.field == DROP:
            is_dropped[rows] = True
            continue
        for row in rows:
            previous = applied.setdefault((correction.attribute, int(row)), correction)
            if previous.value != correction.value:
                raise _contradiction_error(corrections, previous, correction)
        columns[correction.attribute][rows] = correction.value
    _reconcile_ages(columns, applied, corrections)
    for name, values in columns.items():
        values[is_dropped] = np.nan if name == "age" else labels.UNKNOWN
    columns["label"] = labels.encode(columns["mask"], columns["gender"], columns["age_band"])
    for end in AGE_GROUP:
        if end in table:  # of another band, it is wrong
            is_kept = labels.age_band(table[end]) == columns["age_band"]
            columns[end] = table[end].where(is_kept).to_numpy()
    corrected = table.assign(**columns)
    changed = np.zeros(len(table), dtype=np.bool_)
    for name in columns:
        old, new = table[name].to_numpy(), corrected[name].to_numpy()
        changed |= (old != new) & ~((old != old) & (new != new))  # years may be NaN
    return Corrected(corrected, changed, is_dropped, unused)


def _contradiction_error(
    corrections: Corrections, one: Correction, other: Correction
) -> MaskgateError:
    return MaskgateError(f"{corrections.path}: {_contradiction(one, other)}; remove one of them")


def _reconcile_ages(
    columns: dict[str, npt.NDArray[np.generic]],
    applied: dict[tuple[str, int], Correction],
    corrections: Corrections,
) -> None:
    """Update the bands of corrected ages; make ages unknown that contradict corrected bands."""
    age_rows = np.array([row for name, row in applied if name == "age"], dtype=np.int64)
    band_rows = np.array([row for name, row in applied if name == "age_band"], dtype=np.int64)
    band_of_age = labels.age_band(columns["age"])
    conflicting_rows = band_rows[band_of_age[band_rows] != columns["age_band"][band_rows]]
    for row in conflicting_rows:
        if ("age", int(row)) in applied:
            raise _contradiction_error(
                corrections, applied["age", int(row)], applied["age_band", int(row)]
            )
    columns["age_band"][age_rows] = band_of_age[age_rows]
    columns["age"][conflicting_rows] = np.nan


def row_finder(
    table: pd.DataFrame, corrections: Corrections
) -> Callable[[Correction], npt.NDArray[np.int64]]:
    """A function from a correction to the rows of the table that it concerns. It raises
    MaskgateError if several people have the id."""
    corrected = {correction.person for correction in corrections.rows}
    rows_by_person = table.groupby(table["person"].map(names.normalise)).indices
    by_id: dict[str, list[str]] = {}
    for person in rows_by_person:
        number = seven_photos.id_of(str(person))
        if number in corrected:
            by_id.setdefault(str(number), []).append(str(person))
    photos = table["photo"].map(names.normalise)
    row_by_photo = {photos.iloc[row]: row for row in np.flatnonzero(photos.isin(list(corrected)))}

    def find_rows(correction: Correction) -> npt.NDArray[np.int64]:
        name = correction.person
        people = [name] if name in rows_by_person else by_id.get(name, [])
        if len(people) > 1:
            raise MaskgateError(
                f"{corrections.path}: row {correction.row}: {len(people)} people have the id"
                f" {name} ({listed(people)}); name the folder instead"
            )
        if people:
            rows = np.asarray(rows_by_person[people[0]], dtype=np.int64)
        else:
            rows = np.array([row_by_photo[name]] if name in row_by_photo else [], dtype=np.int64)
        if correction.field in seven_photos.STEMS:
            stems = [PurePath(photo).stem.lower() for photo in table["photo"].iloc[rows]]
            rows = rows[[stem == correction.field for stem in stems]]
        return rows

    return find_rows
