"""The photo table of rows of text, one per photo, whatever file or folder they were read from."""

import difflib
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.data import class_words, columns, label_words, names
from maskgate.data import table as photo_table
from maskgate.data.checks import APART, NO_COLUMN, NO_SUCH_CLASS, NOT_UTF8, SUBFOLDER, Problem
from maskgate.data.label_map import LabelMap, offer
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed

LABELS: Final = ("mask", "gender", "age", "age_group")
_COLUMNS: Final = (*columns.PHOTOS, "drawn_from", "class")
_MOST_WORDS: Final = 4  # of a column that may have the mask or the gender
_MIN_AGES: Final = 10  # photos with an age: that many are never all of children


def parse(rows: pd.DataFrame, path: Path, root: Path, label_map: LabelMap) -> Photos:
    """The photos of a table with the columns of docs/data.md, every cell stripped text, NaN where
    empty; `path` is its file or folder, for messages, and names of photos are relative to `root`.

    Raises MaskgateError.
    """
    rows, problems = _known_columns(rows, path, label_map)
    problems += _unknown_columns(rows)
    names_in_table = rows["photo"].fillna("")
    outside = np.array(files.outside(names_in_table.str.replace("\\", "/"), root), dtype=np.bool_)
    rows["photo"] = names_in_table.where(
        outside, _names_on_disk(names_in_table[~outside], root, problems)
    )
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
    outside_detail = "lies outside the folder of the table; put a link to its folder there"
    _report(
        problems, photos, outside, kind="photo outside the folder", detail=lambda _: outside_detail
    )
    rows = _labels_of_classes(rows, problems)
    rows = _groups_called_ages(rows)
    mask = _column(rows, "mask", label_words.mask, problems)
    gender = _column(rows, "gender", label_words.gender, problems)
    age = _column(rows, "age", _years(rows), problems)
    band = np.where(age >= 0, labels.age_band(age), labels.UNKNOWN)
    groups = _groups(rows)
    first = _column(rows, "age_group", lambda text: groups(text)[0], problems)
    last = _column(rows, "age_group", lambda text: groups(text)[1], [])
    group = labels.age_band(first)
    contradicts = (group != labels.UNKNOWN) & (band != labels.UNKNOWN) & (group != band)
    _report(
        problems,
        photos,
        contradicts,
        kind="contradictory labels",
        detail=lambda _: "its age says otherwise",
    )
    band = np.where(band == labels.UNKNOWN, group, band)
    people = _people(rows, problems).fillna(photos)
    problems[:0] = _ungrouped_people(rows, people)  # first, as it is the most important
    table = photo_table.build(
        photos,
        people,
        mask,
        gender=gender,
        age=np.where(age >= 0, age, np.nan),
        age_band=band,
    )
    if (group != labels.UNKNOWN).any():
        years = np.where(group == labels.UNKNOWN, np.nan, [first, last]).astype(np.float32)
        table = table.assign(**dict(zip(photo_table.AGE_GROUP, years, strict=True)))
    if "drawn_from" in rows.columns:
        table = table.assign(drawn_from=rows["drawn_from"].fillna(""))
    bad = {problem.where for problem in problems if problem.fatal}
    keep = ~(photos.isin(bad) | repeated | (photos == ""))
    # Photos outside the folder are not read at all.
    unlabelled = photos[photos.isin(bad) & ~outside].unique().tolist()
    return Photos(root, table[keep].reset_index(drop=True), problems, unlabelled)


def _known_columns(
    rows: pd.DataFrame, path: Path, label_map: LabelMap
) -> tuple[pd.DataFrame, list[Problem]]:
    """The rows with our names of columns and our words, and the problems. Raises MaskgateError for
    a table without photos or without labels."""
    header = list(map(str, rows.columns))
    rows = columns.use_columns(rows, label_map.columns, path)
    rows, problems = columns.rename_columns(rows, columns.PHOTOS, path)
    if "photo" not in rows.columns:
        raise MaskgateError(
            f"{path}: lacks the column 'photo' (it has {listed(header) or 'none'}); the columns are"
            " photo,person,mask,gender,age or age_group, all but photo optional; name others with"
            " --photo-column and so on"
        )
    if not set(LABELS) & set(rows.columns):
        rows, problems_of_class = columns.rename_columns(rows, columns.CLASS, path)
        problems += problems_of_class
        if "class" not in rows.columns:
            raise MaskgateError(
                f"{path}: has no label (it has {listed(header)}); it needs mask, gender, age,"
                " age_group or class; name another column with --mask-column and so on"
            )
    elif "class" in rows.columns and "class" not in label_map.columns:
        rows = rows.drop(columns="class")
        problems.append(Problem("unknown column", "class", "it is not read: others have labels"))
    if not len(rows):
        raise MaskgateError(
            f"{path}: no photo that can be used, as it has no row below its header; add some"
        )
    rows, word_problems = columns.map_words(rows, label_map.words, path)
    return rows, problems + word_problems


def _labels_of_classes(rows: pd.DataFrame, problems: list[Problem]) -> pd.DataFrame:
    """The rows with the labels that the column `class` gives, where there are no others."""
    if "class" not in rows.columns:
        return rows
    by_class: dict[str, dict[str, str]] = {}
    reasons: dict[str, str] = {}
    for name in rows["class"].dropna().unique():
        try:
            by_class[name] = class_words.parsed(name)
        except ValueError as error:
            reasons[name] = str(error)
    for column in ("mask", "gender", "age_group"):
        words = rows["class"].map(lambda name, column=column: by_class.get(name, {}).get(column))
        if words.notna().any():
            labels_of_column = (
                rows[column] if column in rows.columns else pd.Series(np.nan, index=rows.index)
            )
            rows = rows.assign(
                **{column: labels_of_column.astype("str").fillna(words.astype("str"))}
            )
    remedy = offer("class", reasons)

    def detail(row: int) -> str:
        name = rows["class"].iloc[row]
        return f"class {label_words.quoted(name)}{', ' if reasons[name] else ''}{reasons[name]}"

    _report(
        problems,
        rows["photo"],
        rows["class"].isin(reasons),
        kind=NO_SUCH_CLASS,
        detail=detail,
        remedy=remedy,
    )
    return rows


def _unknown_columns(rows: pd.DataFrame) -> Iterator[Problem]:
    """One problem per column that is not read; it says so if the column may tell people apart. If
    there are such columns, one per label that no column has."""
    others = [name for name in map(str, rows.columns) if name not in _COLUMNS]
    for columns_of in (("mask",), ("gender",), ("age", "age_group")) if others else ():
        if not {*columns_of, "class"} & set(rows.columns):
            option = f"--{columns_of[0]}-column"
            detail = f"if a column with another name has it, name that with {option}"
            remedy = _remedy(columns_of[0], rows[others])
            yield Problem(NO_COLUMN, columns_of[0], detail, remedy=remedy)
    like_people = _like_people(rows)
    for name in map(str, rows.columns):
        if name in _COLUMNS:
            continue
        values, count = rows[name].nunique(), int(rows[name].count())
        if name in like_people:
            detail = (
                f"{values} values in {count} rows; rename it to person if it tells people apart"
            )
            remedy = f"if {name} tells people apart: --person-column {shlex.quote(name)}"
            kind = "column that repeats like people but is not read"
            yield Problem(kind, name, detail, remedy=remedy)
            continue
        matches = difflib.get_close_matches(name.lower(), _COLUMNS, 1)
        yield Problem(
            "unknown column", name, f"did you mean {matches[0]}?" if matches else "it is not read"
        )


def _remedy(column: str, others: pd.DataFrame) -> str:
    """What to type if one of the columns that are not read has the labels; for a mask or gender
    with the words of the column that may have it, if only one may."""
    few = [name for name in others.columns if 1 < others[name].nunique() <= _MOST_WORDS]
    if column not in ("mask", "gender") or len(few) != 1:
        return f"if another column has the {column}: --{column}-column NAME"
    option = f"--{column}-column {shlex.quote(few[0])}"
    words = sorted(others[few[0]].dropna().unique())
    return f"if {few[0]} has the {column}: {option}; {offer(column, words)}"


def _like_people(rows: pd.DataFrame) -> list[str]:
    """Columns that are not read but may tell people apart, if the column `person` does not: it is
    missing, or has another value in nearly every row."""
    if not columns.hardly_repeats(rows.get("person", pd.Series(dtype="str"))):
        return []
    others = [name for name in map(str, rows.columns) if name not in _COLUMNS]
    return [name for name in others if columns.repeats_like_people(rows[name])]


def _ungrouped_people(rows: pd.DataFrame, people: pd.Series) -> Iterator[Problem]:
    """One problem if the people (N,) hardly repeat and another column repeats as people do.

    Photos without a person, or with their own name as one, are reported by `people_unknown`.
    """
    like_people = _like_people(rows)
    if like_people and not (people == rows["photo"]).any():
        is_alone = ~people.duplicated(keep=False)
        photos_text = (
            "all photos" if is_alone.all() else f"{is_alone.sum()} of {len(is_alone)} photos"
        )
        detail = f"the column person hardly repeats; people may be in {listed(like_people)} instead"
        yield Problem(APART, photos_text, detail)


def _names_on_disk(photos: pd.Series, root: Path, problems: list[Problem]) -> pd.Series:
    """The photos by their names on disk, if they exist and are UTF-8."""
    files_on_disk = names.Files(root)
    paths = []
    subfolders: Counter[str] = Counter()
    for name in track(photos.tolist(), "looking for photos", len(photos)):
        path = files_on_disk.find(name)
        if path and not files_on_disk.is_there(path) and "/" not in path:
            below = files_on_disk.find_below(path)
            if below is not None:
                path = below
                subfolders[str(PurePosixPath(below).parent)] += 1
        if not files.is_utf8(path):
            problems.append(Problem(NOT_UTF8, name, files.not_utf8(path), fatal=True))
            path = name
        paths.append(path)
    for folder, count in subfolders.items():
        detail = f"{count:,} photos, which the table names without it"
        problems.append(Problem(SUBFOLDER, folder, detail))
    return pd.Series(paths, index=photos.index, dtype="str")


def _people(rows: pd.DataFrame, problems: list[Problem]) -> pd.Series:
    """The names of the people, the same for all spellings of a name; missing where not given."""
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
    """The rows, with age groups in the column `age` moved to `age_group`."""
    if "age" not in rows.columns or "age_group" in rows.columns:
        return rows
    groups = [text for text in rows["age"].dropna().unique() if _is_group(text)]
    is_group = rows["age"].isin(groups)
    if not groups:
        return rows
    return rows.assign(age=rows["age"].mask(is_group), age_group=rows["age"].where(is_group))


def _is_group(text: str) -> bool:
    try:
        label_words.years(text)
    except ValueError:
        return _parsed(text, lambda group: label_words.age_group(group)[0])[1] is None
    return False


def _years(rows: pd.DataFrame) -> Callable[[str], float]:
    """The function that reads a value of the column `age`. If many photos have only numbers below
    10, these are not years."""
    known = rows.get("age", pd.Series(dtype="str")).dropna()
    codes = label_words.age_codes(known.unique()) if len(known) >= _MIN_AGES else set()

    def years(text: str) -> float:
        if text in codes:
            raise ValueError(label_words.AGE_CODE)
        try:
            return label_words.years(text)
        except ValueError:
            label_words.age_group(text)  # may raise an error with a reason
            raise

    return years


def _groups(rows: pd.DataFrame) -> Callable[[str], tuple[int, int]]:
    """The function that reads a value of the column `age_group`. If there are only numbers below
    10, these are not ages."""
    known = rows.get("age_group", pd.Series(dtype="str")).dropna().unique()
    codes = label_words.age_codes(known)

    def ends(text: str) -> tuple[int, int]:
        if text in codes:
            raise ValueError(label_words.AGE_CODE)
        return label_words.age_group(text)

    return ends


def _parsed(text: str, parse: Callable[[str], float]) -> tuple[float, str | None]:
    """The value of a text, or NaN and the reason why it has none, possibly empty."""
    try:
        return parse(text), None
    except ValueError as error:
        return np.nan, str(error)


def _report(
    problems: list[Problem],
    photos: pd.Series,
    affected: "pd.Series | np.ndarray",
    kind: str,
    detail: Callable[[int], str],
    remedy: str = "",
) -> None:
    """Add a fatal problem for each row that is `affected` (N,), with the `detail` of the row."""
    for row in np.flatnonzero(np.asarray(affected)).tolist():
        where = str(photos.iloc[row]) or f"row {row + 2}"
        problems.append(Problem(kind, where, detail(row), fatal=True, remedy=remedy))


def _column(
    rows: pd.DataFrame, name: str, parse: Callable[[str], float], problems: list[Problem]
) -> "np.ndarray":
    """The codes (N,) of a column, -1 where the column or the value is missing."""
    if name not in rows.columns:
        return np.full(len(rows), labels.UNKNOWN)
    codes, values = pd.factorize(rows[name])
    parsed = [_parsed(value, parse) for value in values]
    numbers = np.array([*(number for number, _ in parsed), labels.UNKNOWN], dtype=np.float64)
    column = numbers[codes]  # factorize gives -1, the last, where the value is missing

    def detail(row: int) -> str:
        reason = parsed[codes[row]][1]
        return f"{name} {label_words.quoted(values[codes[row]])}{', ' if reason else ''}{reason}"

    unknown = [value for value, (number, _) in zip(values, parsed, strict=True) if number != number]
    _report(
        problems,
        rows["photo"],
        np.isnan(column),
        kind=f"unknown {name}",
        detail=detail,
        remedy=offer(name, unknown),
    )
    return np.where(np.isnan(column), labels.UNKNOWN, column)
