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

    Our own name goes before others. Raises MaskgateError where several columns with different
    content may be the same one.
    """
    problems: list[Problem] = []
    for column in known:
        if column in rows.columns:
            continue
        near = [name for name in map(str, rows.columns) if alike(name, column, known)]
        if column == "person":
            near = _without_counter(rows, near)
        if not near:
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


def _without_counter(rows: pd.DataFrame, near: list[str]) -> list[str]:
    """The names of the person's column less an `id` that is another one in each row."""
    return [
        name for name in near if _key(name) != _COUNTER or rows[name].dropna().duplicated().any()
    ]


def _grouped_alike(one: pd.Series, other: pd.Series) -> bool:
    return bool((pd.factorize(one)[0] == pd.factorize(other)[0]).all())
