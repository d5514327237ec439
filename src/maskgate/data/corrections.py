"""Known label errors: a CSV of corrections, applied to the table that was read of the photos.

The source files stay as they are. A row says who is concerned, what of them, what is true,
and how sure that is::

    person,field,value,tier,reason
    001498-1,gender,female,sure,all lists
    000020,normal,incorrect,sure,incorrect_mask and normal are swapped
"""

import difflib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from maskgate.errors import MaskgateError, listed

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)  # the surest first
_NEEDED: Final[columns.Names] = {"person": (), "field": (), "value": (), "tier": ()}
# Where a field's value stands in the photo table, and the words for it.
_ATTRIBUTES: Final = {"gender": "gender", "age": "age", "age_band": "age_band", "mask": "mask"}
FIELDS: Final = _ATTRIBUTES | dict.fromkeys(seven_photos.STEMS, "mask")
_BANDS: Final = {word: code for code, word in enumerate(labels.AGE_BANDS)}
_CODES: Final[dict[str, Callable[[str], int]]] = {
    "gender": label_words.gender,
    "mask": label_words.mask,
    "age_band": lambda word: _BANDS[word.lower()],
}
# What a message offers instead of an unknown word.
_OFFERED: Final = {**labels.ATTRIBUTES, "gender": (*labels.GENDERS, "m", "f")}


@dataclass(frozen=True)
class Correction:
    """One row of the file: whose `field` is really `value`, a code or years."""

    row: int
    person: str
    field: str
    value: int
    tier: Tier

    @property
    def attribute(self) -> str:
        """The column of the photo table that is corrected."""
        return FIELDS[self.field]


@dataclass(frozen=True)
class Corrections:
    """A file of corrections as read."""

    path: Path
    sha256: str
    rows: tuple[Correction, ...]

    def up_to(self, tier: Tier) -> list[Correction]:
        """Those of the tier and of all surer ones."""
        wanted = TIERS[: TIERS.index(tier) + 1]
        return [correction for correction in self.rows if correction.tier in wanted]


@dataclass(frozen=True)
class Corrected:
    """A photo table with corrections in it, and which of its rows (N,) they changed.

    `unused` are corrections that concern no photo of the table.
    """

    table: pd.DataFrame
    changed: npt.NDArray[np.bool_]
    unused: list[Correction]

    def problems(self, file: Path) -> list[Problem]:
        """A problem for each correction of the `file` that was of no use."""
        return [
            Problem("correction of nobody here", unused.person, f"row {unused.row} of {file.name}")
            for unused in self.unused
        ]


def read(path: Path) -> Corrections:
    """The corrections in a CSV; raises MaskgateError that tells all rows that make no sense."""
    table, _ = columns.renamed(csv_files.load(path), _NEEDED, path)
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise MaskgateError(
            f"{path}: lacks the columns {listed(missing)}; corrections have the columns"
            " person,field,value,tier,reason"
        )
    rows, faults = [], []
    for number, cells in enumerate(table.fillna("")[list(_NEEDED)].itertuples(index=False), 2):
        try:
            rows.append(_correction(number, *map(str, cells)))
        except ValueError as error:
            faults.append(f"row {number} ({error})")
    faults += _contradictions(rows)
    if faults:
        raise MaskgateError(f"{path}: {listed(faults)}; mend the file")
    return Corrections(path, hashlib.sha256(path.read_bytes()).hexdigest(), tuple(rows))


def _correction(row: int, person: str, field: str, value: str, tier: str) -> Correction:
    """Raises ValueError that says what is wrong with the row."""
    person = names.normalise(person)
    if not person:
        raise ValueError("names no person")
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
        raise ValueError(f"age {label_words.quoted(value)} is no whole number")
    return int(years)


def _unknown(kind: str, value: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(value, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {listed(known, 12)}"
    return f"unknown {kind} {label_words.quoted(value)}, {hint}"


def _contradictions(rows: list[Correction]) -> list[str]:
    first: dict[tuple[str, str], Correction] = {}
    found = []
    for correction in rows:
        before = first.setdefault((correction.person, correction.field), correction)
        if before.value != correction.value:
            found.append(_contradict(before, correction))
    return found


def _contradict(one: Correction, other: Correction) -> str:
    return f"rows {one.row} and {other.row} contradict each other about {other.person}"


# ------------------------------------------------------------------------- in the table


def apply(table: pd.DataFrame, corrections: Corrections, tier: Tier) -> Corrected:
    """The photo table (N rows, in order) with the corrections up to `tier`.

    Where an age band is corrected and the age in years contradicts it, the years become
    unknown. Raises MaskgateError where several people carry an id that is corrected, or where
    corrections contradict each other about a photo.
    """
    columns = {name: table[name].to_numpy(copy=True) for name in _ATTRIBUTES.values()}
    rows_of = _finder(table, corrections)
    done: dict[tuple[str, int], Correction] = {}
    unused = []
    for correction in corrections.up_to(tier):
        rows = rows_of(correction)
        for row in rows:
            before = done.setdefault((correction.attribute, int(row)), correction)
            if before.value != correction.value:
                raise _refused(corrections, before, correction)
        columns[correction.attribute][rows] = correction.value
        if not len(rows):
            unused.append(correction)
    _agree_on_age(columns, done, corrections)
    columns["label"] = labels.encode(columns["mask"], columns["gender"], columns["age_band"])
    corrected = table.assign(**columns)
    changed = np.zeros(len(table), dtype=np.bool_)
    for name in columns:
        old, new = table[name].to_numpy(), corrected[name].to_numpy()
        changed |= (old != new) & ~((old != old) & (new != new))  # years may be NaN
    return Corrected(corrected, changed, unused)


def _refused(corrections: Corrections, one: Correction, other: Correction) -> MaskgateError:
    return MaskgateError(f"{corrections.path}: {_contradict(one, other)}; remove one of them")


def _agree_on_age(
    columns: dict[str, npt.NDArray[np.generic]],
    done: dict[tuple[str, int], Correction],
    corrections: Corrections,
) -> None:
    """Bands follow corrected ages; ages that contradict corrected bands are not known."""
    aged = np.array([row for name, row in done if name == "age"], dtype=np.int64)
    banded = np.array([row for name, row in done if name == "age_band"], dtype=np.int64)
    band_of_age = labels.age_band(columns["age"])
    clash = banded[band_of_age[banded] != columns["age_band"][banded]]
    for row in clash:
        if ("age", int(row)) in done:
            raise _refused(corrections, done["age", int(row)], done["age_band", int(row)])
    columns["age_band"][aged] = band_of_age[aged]
    columns["age"][clash] = np.nan


def _finder(
    table: pd.DataFrame, corrections: Corrections
) -> Callable[[Correction], npt.NDArray[np.int64]]:
    """Tells the rows of the table that a correction concerns."""
    corrected = {correction.person for correction in corrections.rows}
    of_person = table.groupby(table["person"].map(names.normalise)).indices
    by_id: dict[str, list[str]] = {}
    for person in of_person:
        number = seven_photos.id_of(str(person))
        if number in corrected:
            by_id.setdefault(str(number), []).append(str(person))
    photos = table["photo"].map(names.normalise)
    of_photo = {photos.iloc[row]: row for row in np.flatnonzero(photos.isin(list(corrected)))}

    def find_rows(correction: Correction) -> npt.NDArray[np.int64]:
        name = correction.person
        people = [name] if name in of_person else by_id.get(name, [])
        if len(people) > 1:
            raise MaskgateError(
                f"{corrections.path}: row {correction.row}: {len(people)} people carry the id"
                f" {name} ({listed(people)}); name the folder instead"
            )
        if people:
            rows = np.asarray(of_person[people[0]], dtype=np.int64)
        else:
            rows = np.array([of_photo[name]] if name in of_photo else [], dtype=np.int64)
        if correction.field not in _ATTRIBUTES:
            stems = [PurePath(photo).stem.lower() for photo in table["photo"].iloc[rows]]
            rows = rows[[stem == correction.field for stem in stems]]
        return rows

    return find_rows
