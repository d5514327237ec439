"""Reads labelled photos from a plain CSV: one row a photo, any label may be missing."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.data import columns, csv_files, label_words, names
from maskgate.data import table as photo_table
from maskgate.data.checks import APART, NOT_UTF8, Problem
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed

_COLUMNS: Final = (*columns.PHOTOS, "drawn_from")
_LABELS: Final = ("mask", "gender", "age", "age_group")
_MANY: Final = 10  # photos with an age: of so many, not all are of children


def is_table(header: Iterable[str]) -> bool:
    """Whether a file with that header lists labelled photos, by our names for columns or others.

    A table of predictions does not: its masks, genders and ages are no truth.
    """
    header = list(header)
    if columns.predicted(header):
        return False
    has = [columns.has(header, name, columns.PHOTOS) for name in ("photo", *_LABELS)]
    return "photo" in header or (has[0] and any(has[1:]))


def check_labels(path: Path, header: Iterable[str]) -> None:
    """Raise MaskgateError where the header is that of a table of predictions."""
    if odd := columns.predicted(header):
        raise MaskgateError(
            f"{path}: holds predictions, not labels (columns {listed(odd)}); give the table of"
            " labels, or remove these columns if its labels are true"
        )


def read(path: Path) -> Photos:
    """The photos of a CSV, paths relative to it, faults collected. Raises MaskgateError."""
    rows = csv_files.load(path)
    check_labels(path, rows.columns)
    rows, problems = columns.renamed(rows, columns.PHOTOS, path)
    if "photo" not in rows.columns:
        raise MaskgateError(
            f"{path}: lacks the column 'photo' (it has {listed(list(rows.columns)) or 'none'});"
            " the columns are photo,person,mask,gender,age or age_group, all but photo optional"
        )
    if not set(_LABELS) & set(rows.columns):
        raise MaskgateError(f"{path}: has no label; it needs mask, gender, age or age_group")
    if not len(rows):
        raise MaskgateError(
            f"{path}: no photo that can be used, as no row follows its header; add some"
        )
    problems += _unknown_columns(rows)
    given = rows["photo"].fillna("")
    outside = np.array(files.outside(given.str.replace("\\", "/"), path.parent), dtype=np.bool_)
    rows["photo"] = given.where(outside, _found(given[~outside], path.parent, problems))
    photos = rows["photo"]
    _report(
        problems,
        photos,
        photos == "",
        kind="row without photo",
        detail=lambda row: f"row {row + 2}",
    )
    repeated = photos.duplicated() & (photos != "")
    _report(problems, photos, repeated, kind="photo listed twice", detail=lambda _: "listed before")
    why = "lies outside the folder of the table; put a link to its folder there"
    _report(problems, photos, outside, kind="photo outside the folder", detail=lambda _: why)
    rows = _groups_called_ages(rows)
    mask = _column(rows, "mask", label_words.mask, problems)
    gender = _column(rows, "gender", label_words.gender, problems)
    age = _column(rows, "age", _years(rows), problems)
    band = np.where(age >= 0, labels.age_band(age), labels.UNKNOWN)
    group = _column(rows, "age_group", _groups(rows), problems).astype(np.int8)
    clash = (group != labels.UNKNOWN) & (band != labels.UNKNOWN) & (group != band)
    _report(
        problems,
        photos,
        clash,
        kind="contradictory labels",
        detail=lambda _: "its age says otherwise",
    )
    band = np.where(band == labels.UNKNOWN, group, band)
    people = _people(rows, problems).fillna(photos)
    problems[:0] = _apart(rows, people)  # first, where nobody misses it
    table = photo_table.build(
        photos,
        people,
        mask,
        gender=gender,
        age=np.where(age >= 0, age, np.nan),
        age_band=band,
    )
    if "drawn_from" in rows.columns:
        table = table.assign(drawn_from=rows["drawn_from"].fillna(""))
    bad = {problem.where for problem in problems if problem.fatal}
    keep = ~(photos.isin(bad) | repeated | (photos == ""))
    # What lies outside is not even looked at.
    unlabelled = photos[photos.isin(bad) & ~outside].unique().tolist()
    return Photos(path.parent, table[keep].reset_index(drop=True), problems, unlabelled)


def _unknown_columns(rows: pd.DataFrame) -> Iterator[Problem]:
    """Columns that are not read; those that may tell people apart where no column does."""
    like_people = _like_people(rows)
    for name in map(str, rows.columns):
        if name in _COLUMNS:
            continue
        values, count = rows[name].nunique(), int(rows[name].count())
        if name in like_people:
            detail = (
                f"{values} values in {count} rows; rename it to person if it tells people apart"
            )
            yield Problem("column that repeats like people but is not read", name, detail)
            continue
        near = difflib.get_close_matches(name.lower(), _COLUMNS, 1)
        yield Problem(
            "unknown column", name, f"did you mean {near[0]}?" if near else "it is not read"
        )


def _like_people(rows: pd.DataFrame) -> list[str]:
    """Columns that are not read but may tell people apart, where the column `person` does not: it
    is missing, or another one in nearly each row."""
    if not columns.hardly_repeats(rows.get("person", pd.Series(dtype="str"))):
        return []
    others = [name for name in map(str, rows.columns) if name not in _COLUMNS]
    return [name for name in others if columns.repeats_like_people(rows[name])]


def _apart(rows: pd.DataFrame, people: pd.Series) -> Iterator[Problem]:
    """One problem where the people (N,) hardly repeat and another column repeats as people do.

    Photos without a person, or with their own name as one, are counted by `people.apart`.
    """
    like_people = _like_people(rows)
    if like_people and not (people == rows["photo"]).any():
        alone = ~people.duplicated(keep=False)
        which = "all photos" if alone.all() else f"{alone.sum()} of {len(alone)} photos"
        detail = f"what is read as person hardly repeats, but people may in {listed(like_people)}"
        yield Problem(APART, which, detail)


def _found(photos: pd.Series, root: Path, problems: list[Problem]) -> pd.Series:
    """The photos by their names on disk, where there is one and it is UTF-8."""
    there = names.Files(root)
    found = []
    for name in track(photos.tolist(), "looking for photos", len(photos)):
        real = there.find(name)
        if not files.is_utf8(real):
            problems.append(Problem(NOT_UTF8, name, files.not_utf8(real), fatal=True))
            real = name
        found.append(real)
    return pd.Series(found, index=photos.index, dtype="str")


def _people(rows: pd.DataFrame, problems: list[Problem]) -> pd.Series:
    """The names of the people, one for all spellings of each; missing where none is given."""
    if "person" not in rows.columns:
        return pd.Series(pd.NA, index=rows.index, dtype="str")
    codes, spellings = pd.factorize(rows["person"])
    people = pd.Series([names.normalise(name) for name in spellings], dtype="str")
    for name, count in people.value_counts(sort=False).items():
        if count > 1:
            detail = f"{count} spellings are read as one person"
            problems.append(Problem("one name in several spellings", str(name), detail))
    return people.reindex(codes).set_axis(rows.index)


def _groups_called_ages(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with age groups that stand in the column `age` moved to `age_group`."""
    if "age" not in rows.columns or "age_group" in rows.columns:
        return rows
    groups = [text for text in rows["age"].dropna().unique() if _is_group(text)]
    there = rows["age"].isin(groups)
    if not groups:
        return rows
    return rows.assign(age=rows["age"].mask(there), age_group=rows["age"].where(there))


def _is_group(text: str) -> bool:
    try:
        label_words.years(text)
    except ValueError:
        return _parsed(text, label_words.age_group)[1] is None
    return False


def _years(rows: pd.DataFrame) -> Callable[[str], float]:
    """What reads the column `age`. Where many photos have numbers below 10 alone, they are no
    years."""
    known = rows.get("age", pd.Series(dtype="str")).dropna()
    codes = label_words.age_codes(known.unique()) if len(known) >= _MANY else set()

    def years(text: str) -> float:
        if text in codes:
            raise ValueError(label_words.AGE_CODE)
        try:
            return label_words.years(text)
        except ValueError:
            label_words.age_group(text)  # may know why
            raise

    return years


def _groups(rows: pd.DataFrame) -> Callable[[str], float]:
    """What reads the column `age_group`: bands, where numbers below 10 alone are none."""
    known = rows.get("age_group", pd.Series(dtype="str")).dropna().unique()
    codes = label_words.age_codes(known)

    def band(text: str) -> int:
        if text in codes:
            raise ValueError(label_words.AGE_CODE)
        return label_words.age_group(text)

    return band


def _parsed(text: str, parse: Callable[[str], float]) -> tuple[float, str | None]:
    """What a text means, or NaN and why it means nothing, as far as that is known."""
    try:
        return parse(text), None
    except ValueError as error:
        return np.nan, str(error)


def _report(
    problems: list[Problem],
    photos: pd.Series,
    at: "pd.Series | np.ndarray",
    kind: str,
    detail: Callable[[int], str],
) -> None:
    """A fatal problem for each row (N,) `at` which there is one, with the `detail` of its place."""
    for row in np.flatnonzero(np.asarray(at)).tolist():
        where = str(photos.iloc[row]) or f"row {row + 2}"
        problems.append(Problem(kind, where, detail(row), fatal=True))


def _column(
    rows: pd.DataFrame, name: str, parse: Callable[[str], float], problems: list[Problem]
) -> "np.ndarray":
    """Codes (N,) of a column, -1 where the column or the value is missing."""
    if name not in rows.columns:
        return np.full(len(rows), labels.UNKNOWN)
    codes, values = pd.factorize(rows[name])
    parsed = [_parsed(value, parse) for value in values]
    numbers = np.array([*(number for number, _ in parsed), labels.UNKNOWN], dtype=np.float64)
    column = numbers[codes]  # factorize gives -1, the last, where the value is missing

    def detail(row: int) -> str:
        why = parsed[codes[row]][1]
        return f"{name} {label_words.quoted(values[codes[row]])}{', ' if why else ''}{why}"

    _report(problems, rows["photo"], np.isnan(column), kind=f"unknown {name}", detail=detail)
    return np.where(np.isnan(column), labels.UNKNOWN, column)
