"""Reads labelled photos from a plain CSV: one row a photo, any label may be missing."""

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import files, labels
from maskgate.data import table as photo_table
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed

OLDEST: Final = 120
MASK_WORDS: Final = {word: code for code, word in enumerate(labels.MASKS)} | {"normal": 2}
GENDER_WORDS: Final = {word: code for code, word in enumerate(labels.GENDERS)} | {"m": 0, "f": 1}
_COLUMNS: Final = ("photo", "person", "mask", "gender", "age", "age_group", "drawn_from")


def load_csv(path: Path, rows: int | None = None) -> pd.DataFrame:
    """The CSV with every field as text. Raises MaskgateError where it is none."""
    try:
        table = pd.read_csv(
            path,
            dtype="str",
            encoding="utf-8-sig",
            nrows=rows,
            index_col=False,  # else a trailing comma would shift every column
            keep_default_na=False,  # a person may be called None
            na_values=[""],
        )
        table.columns = [str(name).strip() for name in table.columns]
        return table.apply(lambda column: column.str.strip().replace("", np.nan))
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise MaskgateError(f"{path}: not a CSV in UTF-8 ({error}); save it as one") from error


def read(path: Path) -> Photos:
    """The photos of a CSV, paths relative to it, faults collected. Raises MaskgateError."""
    rows = load_csv(path)
    if "photo" not in rows.columns:
        raise MaskgateError(
            f"{path}: lacks the column 'photo' (it has {listed(list(rows.columns)) or 'none'});"
            " the columns are photo,person,mask,gender,age or age_group, all but photo optional"
        )
    if not {"mask", "gender", "age", "age_group"} & set(rows.columns):
        raise MaskgateError(f"{path}: has no label; it needs mask, gender, age or age_group")
    problems: list[Problem] = []
    for name in rows.columns:
        if name not in _COLUMNS:
            near = difflib.get_close_matches(name.lower(), _COLUMNS, 1)
            hint = f"did you mean {near[0]}?" if near else "it is not read"
            problems.append(Problem("unknown column", name, hint))
    rows["photo"] = rows["photo"].fillna("")
    _report(problems, rows, rows["photo"] == "", "row without photo", "photo", "row {row}")
    repeated = rows["photo"].duplicated() & (rows["photo"] != "")
    _report(problems, rows, repeated, "photo listed twice", "photo", "listed before")
    outside = np.array(files.outside(rows["photo"], path.parent), dtype=np.bool_)
    why = "lies outside the folder of the table; put a link to its folder there"
    _report(problems, rows, outside, "photo outside the folder", "photo", why)
    mask = _column(rows, "mask", _words(MASK_WORDS), problems)
    gender = _column(rows, "gender", _words(GENDER_WORDS), problems)
    age = _column(rows, "age", _years, problems)
    band = np.where(age >= 0, labels.age_band(age), labels.UNKNOWN)
    group = _column(rows, "age_group", _band_of_group, problems).astype(np.int8)
    clash = (group != labels.UNKNOWN) & (band != labels.UNKNOWN) & (group != band)
    _report(problems, rows, clash, "contradictory labels", "photo", "its age says otherwise")
    band = np.where(band == labels.UNKNOWN, group, band)
    person = rows["person"] if "person" in rows.columns else pd.Series(pd.NA, index=rows.index)
    table = photo_table.build(
        rows["photo"],
        person.fillna(rows["photo"]),
        mask,
        gender,
        np.where(age >= 0, age, np.nan),
        band,
    )
    if "drawn_from" in rows.columns:
        table = table.assign(drawn_from=rows["drawn_from"].fillna(""))
    bad = {problem.where for problem in problems if problem.fatal}
    keep = ~(table["photo"].isin(bad) | repeated | (rows["photo"] == ""))
    # What lies outside is not even looked at.
    unlabelled = table.loc[table["photo"].isin(bad) & ~outside, "photo"].unique().tolist()
    return Photos(path.parent, table[keep].reset_index(drop=True), problems, unlabelled)


def _report(
    problems: list[Problem],
    rows: pd.DataFrame,
    at: "pd.Series | np.ndarray",
    kind: str,
    column: str,
    detail: str,
) -> None:
    faulty = np.flatnonzero(np.asarray(at))
    photos, values = (rows[name].iloc[faulty].tolist() for name in ("photo", column))
    for row, photo, value in zip(faulty + 2, photos, values, strict=True):
        told = detail.format(row=row, value=value)
        problems.append(Problem(kind, str(photo) or f"row {row}", told, fatal=True))


def _column(
    rows: pd.DataFrame, name: str, parse: Callable[[str], float], problems: list[Problem]
) -> "np.ndarray":
    """Codes (N,) of a column, -1 where the column or the value is missing."""
    if name not in rows.columns:
        return np.full(len(rows), labels.UNKNOWN)
    codes, values = pd.factorize(rows[name].str.lower())
    parsed = np.array([*map(parse, values), labels.UNKNOWN], dtype=np.float64)
    column = parsed[codes]  # factorize gives -1, the last, where the value is missing
    _report(problems, rows, np.isnan(column), f"unknown {name}", name, name + " {value!r}")
    return np.where(np.isnan(column), labels.UNKNOWN, column)


def _words(codes: dict[str, int]) -> Callable[[str], float]:
    return lambda word: codes.get(re.sub(r"[\s-]+", "_", word), np.nan)


def _years(text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        return np.nan
    return years if 0 <= years <= OLDEST else np.nan


def _band_of_group(text: str) -> float:
    """The band that holds a whole age group: `20-29`, `<30`, `70+`, `more than 70`, `>=60`."""
    match = re.fullmatch(r"(\D*)(\d+)(\D*)(\d+)?(\D*)", text)
    if match is None:
        return np.nan
    before, number, between, second, after = match.groups()
    low = high = int(number)
    if second is not None:
        high = int(second)
    else:
        words = f"{before} {between} {after}".split()
        match words:
            case []:
                pass
            case ["<"] | ["under"] | ["below"] | ["younger", "than"] | ["less", "than"]:
                low, high = 0, low - 1
            case (
                ["<="]
                | ["≤"]
                | ["up", "to"]
                | ["or", "younger" | "below" | "under"]
                | ["and", "younger" | "below" | "under"]
            ):
                low = 0
            case [">"] | ["over"] | ["above"] | ["older", "than"] | ["more", "than"]:
                low, high = low + 1, OLDEST
            case (
                [">="]
                | ["≥"]
                | ["+"]
                | ["from"]
                | ["or", "older" | "above" | "over"]
                | ["and", "older" | "above" | "over"]
            ):
                high = OLDEST
            case _:
                return np.nan
    first, last = labels.age_band([low, high])
    return float(first) if first == last and low <= high <= OLDEST else np.nan
