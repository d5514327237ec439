"""What the columns of strangers' tables are called: other usual names of the ones we read.

Case, white space, `_` and `-` do not count. docs/data.md lists the names.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from maskgate import labels
from maskgate.data.checks import Problem
from maskgate.errors import MaskgateError, listed

Names = Mapping[str, tuple[str, ...]]  # a column, and what else it may be called

_GENDER: Final = ("sex", "성별")
_AGE: Final = ("years", "age_years", "age_in_years", "나이", "연령")

PHOTOS: Final[Names] = {
    "photo": (
        "photo_name", "photo_path", "photo_file", "image", "image_name", "image_path", "image_file",
        "img", "img_name", "img_path", "img_file", "picture", "path", "file", "file_name",
        "file_path", "사진", "이미지", "파일", "파일명", "경로",
    ),
    "person": (
        "person_id", "person_name", "subject", "subject_id", "identity", "identity_id",
        "individual", "individual_id", "participant", "participant_id", "id", "사람", "인물",
    ),
    "mask": ("mask_status", "mask_state", "mask_label", "mask_class", "mask_wearing", "마스크",
        "마스크_착용"),
    "gender": _GENDER,
    "age": _AGE,
    "age_group": ("age_band", "age_range", "age_bucket", "age_bin", "age_category", "연령대",
        "나이대"),
}  # fmt: skip
PEOPLE: Final[Names] = {
    "gender": _GENDER,
    "age": _AGE,
    "path": ("folder", "folder_name", "directory", "폴더", "경로"),
}
TESTS: Final[Names] = {"ImageID": ()}
# What only tables of predictions hold, as `maskgate predict` and a run's mistakes.csv do.
PREDICTED: Final = (
    *(f"{name}_probability" for name in labels.ATTRIBUTES), "true_probability", "p00",
)  # fmt: skip
# A column `id` counts the rows as often as it tells people apart.
_COUNTER: Final = "id"
# A column that may tell people apart: at most so many rows a value, of which most are repeated.
_MOST_PHOTOS: Final = 50
_FEW: Final = 0.1  # share of rows with a repeated value up to which a column hardly repeats


def alike(name: str, column: str, known: Names) -> bool:
    """Whether `name` is one that `column` may be called."""
    return _key(name) in {_key(other) for other in (column, *known[column])}


def has(header: Iterable[str], column: str, known: Names) -> bool:
    """Whether a table with that header has the `column`, by one of its names."""
    return any(alike(name, column, known) for name in header)


def predicted(header: Iterable[str]) -> list[str]:
    """The columns that only a table of predictions has."""
    return [name for name in header if name in PREDICTED]


def renamed(rows: pd.DataFrame, known: Names, path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """The rows with the `known` columns under our names, and a problem for each other name read.

    Our own name goes before others, and a column with content before empty ones. Raises
    MaskgateError where several columns with different content may be the same one.
    """
    problems: list[Problem] = []
    for column in known:
        if column in rows.columns and rows[column].notna().any():
            continue
        near = [name for name in map(str, rows.columns) if alike(name, column, known)]
        near = [name for name in near if name != column]
        if column == "person":
            near = [name for name in near if not _is_counter(rows, name, known)]
        filled = [name for name in near if rows[name].notna().any()]
        if filled and column in rows.columns:
            rows = rows.drop(columns=column)
        near = filled or near
        if not near or column in rows.columns:
            continue
        if any(not _grouped_alike(rows[near[0]], rows[name]) for name in near[1:]):
            raise MaskgateError(
                f"{path}: each of the columns {listed(near)} may be the {column}; rename the right"
                f" one to {column}"
            )
        rows = rows.rename(columns={near[0]: column})
        problems.append(Problem("column under another name", near[0], f"read as {column}"))
    return rows, problems


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def repeats_like_people(column: pd.Series) -> bool:
    """Whether most of a column's values stand in several rows, and none in too many."""
    known = column.dropna()
    return bool(1 < known.nunique() >= len(known) / _MOST_PHOTOS and _repeated(column) > 0.5)


def hardly_repeats(column: pd.Series) -> bool:
    """Whether nearly every value stands in one row only, as those of a counter of rows do."""
    return _repeated(column) <= _FEW


def _repeated(column: pd.Series) -> float:
    """The share of a column's known values that stand in several rows."""
    known = column.dropna()
    return float(known.duplicated(keep=False).mean()) if len(known) else 0.0


def _is_counter(rows: pd.DataFrame, name: str, known: Names) -> bool:
    """Whether a column `id` counts the rows: its values hardly repeat, or they count up and start
    again, as in tables that were joined, and another column tells people apart otherwise."""
    if _key(name) != _COUNTER:
        return False
    if _repeated(rows[name]) <= 0.5:
        return True
    counts_up = pd.to_numeric(rows[name], errors="coerce").diff() == 1
    others = [
        other
        for other in map(str, rows.columns)
        if other != name
        and not any(alike(other, column, known) for column in known if column != "person")
    ]
    return bool(counts_up.mean() > 0.5) and any(
        repeats_like_people(rows[other])
        and _cross(rows[name], rows[other])
        # One shot of everybody, then the next: what names the shot tells nobody apart.
        and bool((counts_up & (rows[other] != rows[other].shift())).any())
        for other in others
    )


def _cross(one: pd.Series, other: pd.Series) -> bool:
    """Whether neither column's groups of rows lie within those of the other."""
    pairs = pd.DataFrame({"one": one, "other": other}).dropna()
    return len(pairs.drop_duplicates()) > max(pairs["one"].nunique(), pairs["other"].nunique())


def _grouped_alike(one: pd.Series, other: pd.Series) -> bool:
    return bool((pd.factorize(one)[0] == pd.factorize(other)[0]).all())
