"""Recognises the columns of other people's tables by their usual names.

Case, white space, `_` and `-` are ignored. docs/data.md lists the names.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from maskgate import labels
from maskgate.data import column_names
from maskgate.data.checks import NO_SUCH_WORD, OTHER_NAME, Problem
from maskgate.data.column_names import Names as Names
from maskgate.data.column_names import is_name_of as is_name_of
from maskgate.errors import MaskgateError, listed

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
# Read only where a table has no label of its own, or the column is named on the command line.
CLASS: Final[Names] = {
    "class": ("class_name", "label", "label_name", "labels", "category", "클래스", "라벨"),
}
PEOPLE: Final[Names] = {
    "gender": _GENDER,
    "age": _AGE,
    "path": ("folder", "folder_name", "directory", "폴더", "경로"),
}
# Columns that only tables of predictions have: of `maskgate predict` and mistakes.csv.
PREDICTED: Final = (
    *(f"{name}_probability" for name in labels.ATTRIBUTES), "true_probability", "p00",
)  # fmt: skip
# A column `id` may number the rows or the people.
_COUNTER: Final = "id"
# A column that may tell people apart: at most so many rows per value, and most values are repeated.
_MOST_PHOTOS: Final = 50
_RARE: Final = 0.1  # largest share of rows with a repeated value in a column that hardly repeats


def has_column(header: Iterable[str], column: str, known: Names) -> bool:
    """Whether a table with that header has the `column`, under any of its names."""
    return any(is_name_of(name, column, known) for name in header)


def prediction_columns(header: Iterable[str]) -> list[str]:
    """The columns of `header` that only a table of predictions has."""
    return [name for name in header if name in PREDICTED]


def use_columns(rows: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    """The rows with the columns that the user names under our names, by which `columns` lists them.

    Raises MaskgateError where there is no such column.
    """
    if not columns:
        return rows
    header = list(map(str, rows.columns))
    real_names = {}
    for column, name in columns.items():
        alike = [name] if name in header else [n for n in header if _is_alike(n, name)]
        if len(alike) != 1:
            near = difflib.get_close_matches(name, header, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {listed(header) or 'none'}"
            raise MaskgateError(f"{path}: no column {name}, named for the {column}; {hint}")
        real_names[column] = alike[0]
    series = {column: rows[name] for column, name in real_names.items()}
    replaced = [name for name in header if name in {*real_names.values(), *real_names}]
    return rows.drop(columns=replaced).assign(**series)


def _is_alike(name: str, other: str) -> bool:
    return column_names.key(name) == column_names.key(other)


def map_words(
    rows: pd.DataFrame, words: Mapping[str, Mapping[str, str]], path: Path
) -> tuple[pd.DataFrame, list[Problem]]:
    """The rows with the user's words replaced by ours, by column; an empty one is an empty field.

    There is a problem for each word that does not occur. Raises MaskgateError where there is no
    such column.
    """
    problems = []
    for column, targets in words.items():
        if column not in rows.columns:
            header = listed(list(map(str, rows.columns))) or "none"
            raise MaskgateError(f"{path}: no column {column} to map words of; it has {header}")
        occurring = set(rows[column].dropna().unique())
        problems += [
            Problem(NO_SUCH_WORD, f"{column}:{word}", f"no photo has it as its {column}")
            for word in targets
            if word not in occurring
        ]
        mapped = [targets.get(word, word) or None for word in rows[column].fillna("")]
        rows = rows.assign(**{column: pd.Series(mapped, index=rows.index, dtype="str")})
    return rows, problems


def rename_columns(
    rows: pd.DataFrame, known: Names, path: Path
) -> tuple[pd.DataFrame, list[Problem]]:
    """The rows with the `known` columns under their standard names, and a problem for each column
    that was renamed.

    A column with the standard name is preferred, and a column with content to an empty one. Raises
    MaskgateError if several columns with different content match the same name.
    """
    problems: list[Problem] = []
    for column in known:
        if column in rows.columns and rows[column].notna().any():
            continue
        matches = [name for name in map(str, rows.columns) if is_name_of(name, column, known)]
        matches = [name for name in matches if name != column]
        if column == "person":
            matches = [name for name in matches if not _is_counter(rows, name, known)]
        filled_matches = [name for name in matches if rows[name].notna().any()]
        if filled_matches and column in rows.columns:
            rows = rows.drop(columns=column)
        matches = filled_matches or matches
        if not matches or column in rows.columns:
            continue
        if any(not _have_same_groups(rows[matches[0]], rows[name]) for name in matches[1:]):
            raise MaskgateError(
                f"{path}: each of the columns {listed(matches)} may be the {column}; rename the"
                f" right one to {column}"
            )
        rows = rows.rename(columns={matches[0]: column})
        problems.append(Problem(OTHER_NAME, matches[0], f"read as {column}"))
    return rows, problems


def repeats_like_people(column: pd.Series) -> bool:
    """Whether most of a column's values occur in several rows, and none in too many."""
    known = column.dropna()
    return bool(1 < known.nunique() >= len(known) / _MOST_PHOTOS and _repeated(column) > 0.5)


def hardly_repeats(column: pd.Series) -> bool:
    """Whether nearly every value occurs in one row only, like row numbers."""
    return _repeated(column) <= _RARE


def _repeated(column: pd.Series) -> float:
    """The share of a column's known values that occur in several rows."""
    known = column.dropna()
    return float(known.duplicated(keep=False).mean()) if len(known) else 0.0


def _is_counter(rows: pd.DataFrame, name: str, known: Names) -> bool:
    """Whether a column `id` numbers the rows: its values hardly repeat, or they count up and start
    again, as in joined tables, while another column tells people apart."""
    if column_names.key(name) != _COUNTER:
        return False
    if _repeated(rows[name]) <= 0.5:
        return True
    counts_up = pd.to_numeric(rows[name], errors="coerce").diff() == 1
    others = [
        other
        for other in map(str, rows.columns)
        if other != name
        and not any(is_name_of(other, column, known) for column in known if column != "person")
    ]
    return bool(counts_up.mean() > 0.5) and any(
        repeats_like_people(rows[other])
        and _are_crossed(rows[name], rows[other])
        # A column that names one photo of each person does not tell people apart.
        and bool((counts_up & (rows[other] != rows[other].shift())).any())
        for other in others
    )


def _are_crossed(one: pd.Series, other: pd.Series) -> bool:
    """Whether neither column's groups of rows are parts of the other's groups."""
    pairs = pd.DataFrame({"one": one, "other": other}).dropna()
    return len(pairs.drop_duplicates()) > max(pairs["one"].nunique(), pairs["other"].nunique())


def _have_same_groups(one: pd.Series, other: pd.Series) -> bool:
    return bool((pd.factorize(one)[0] == pd.factorize(other)[0]).all())
