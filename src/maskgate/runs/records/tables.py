"""The tables of a run, parquet and CSV: read from bytes, and checked for columns and values."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import finite
from maskgate.data.column_values import NEVER, USES
from maskgate.data.table import AGE_GROUP
from maskgate.runs.records.faults import REMEDY, damaged

Check = Callable[["pd.Series[Any]"], bool]


def _is_text(column: "pd.Series[Any]") -> bool:
    return all(isinstance(value, str) for value in column)  # decodes each, which fails if not UTF-8


def _is_text_or_missing(column: "pd.Series[Any]") -> bool:
    return _is_text(column.dropna())


def _is_name(column: "pd.Series[Any]") -> bool:
    return _is_text(column) and column.is_unique


def _is_integer(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_integer_dtype(column) and not column.isna().any()


def _is_number(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_fold(column: "pd.Series[Any]") -> bool:
    return _is_integer(column) and bool((column >= NEVER).all())


def _is_use(column: "pd.Series[Any]") -> bool:
    return _is_text(column) and bool(column.isin(USES).all())


def _is_list_of_folds(column: "pd.Series[Any]") -> bool:
    return all(isinstance(each, list | tuple | np.ndarray) for each in column)


def _is_code_of(count: int) -> Check:
    """Whether a column holds codes 0…count-1, or UNKNOWN."""

    def check(column: "pd.Series[Any]") -> bool:
        return _is_integer(column) and bool(column.between(labels.UNKNOWN, count - 1).all())

    return check


_LABELS: Final[dict[str, Check]] = {
    name: _is_code_of(len(values)) for name, values in labels.ATTRIBUTES.items()
} | {"label": _is_code_of(labels.COUNT)}
PHOTOS: Final[dict[str, Check]] = {
    "photo": _is_name,
    "person": _is_text,
    **_LABELS,
    "cluster": _is_integer,
    "fold": _is_fold,
    "digest": _is_text,
}
EXTRA: Final[dict[str, Check]] = {
    "photo": _is_text,
    "digest": _is_text,
    "not_in": _is_list_of_folds,
}
PSEUDO: Final[dict[str, Check]] = {
    "photo": _is_text,
    **_LABELS,
    "digest": _is_text,
    "use": _is_use,
}
OOF: Final[dict[str, Check]] = {"photo": _is_name, "fold": _is_fold}
HISTORY: Final[dict[str, Check]] = {"fold": _is_integer, "epoch": _is_integer}
# Columns that a table may lack.
_OPTIONAL: Final[dict[str, Check]] = {
    "drawn_from": _is_text_or_missing,
    "faces": _is_number,
    "left": _is_number,
    "right": _is_number,
    "brightness": _is_number,
    "sharpness": _is_number,
    "predicted_age": _is_number,
    **dict.fromkeys(AGE_GROUP, _is_number),
}


def parquet(
    content: bytes, columns: Mapping[str, Check], path: Path, remedy: str = REMEDY
) -> pd.DataFrame:
    """The table in the bytes of a parquet file. Raises MaskgateError, which names `path`."""
    return _checked(_read(pd.read_parquet, content, path, remedy), columns, path, remedy)


def csv(
    content: bytes, columns: Mapping[str, Check], path: Path, remedy: str = REMEDY
) -> pd.DataFrame:
    """The table in the bytes of a CSV file. Raises MaskgateError, which names `path`."""
    return _checked(_read(pd.read_csv, content, path, remedy), columns, path, remedy)


def history(content: bytes, path: Path, remedy: str = REMEDY) -> pd.DataFrame:
    """The history of folds, one row per epoch; all columns are numbers."""
    table = csv(content, HISTORY, path, remedy)
    if odd := [str(name) for name in table if not _is_number(table[name])]:
        raise damaged(path, f"column {odd[0]} has values that are not numbers", remedy)
    return table


def probabilities(
    content: bytes, columns: Mapping[str, Check], path: Path, remedy: str = REMEDY
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """The other columns and the probabilities (N, 18) of such a parquet file."""
    columns_of_classes = list(labels.PROBABILITY_COLUMNS)
    numbers = dict.fromkeys(columns_of_classes, _is_number)
    table = parquet(content, {**columns, **numbers}, path, remedy)
    values = table[columns_of_classes].to_numpy(np.float32)
    finite.check(values, str(path))
    return table.drop(columns=columns_of_classes), values


def _read(
    read: Callable[[io.BytesIO], pd.DataFrame], content: bytes, path: Path, remedy: str
) -> pd.DataFrame:
    try:
        return read(io.BytesIO(content))
    except Exception as error:  # damaged content raises errors of any class
        raise damaged(path, f"not a table: {error or type(error).__name__}", remedy) from error


def _checked(
    table: pd.DataFrame, columns: Mapping[str, Check], path: Path, remedy: str
) -> pd.DataFrame:
    if not table.columns.is_unique:
        raise damaged(path, "two columns have one name", remedy)
    optional = {name: check for name, check in _OPTIONAL.items() if name in table}
    for name, is_right in {**columns, **optional}.items():
        if name not in table:
            raise damaged(path, f"column {name} is missing", remedy)
        try:
            right = is_right(table[name])
        except (TypeError, ValueError):  # of values that cannot be compared or decoded
            right = False
        if not right:
            raise damaged(path, f"column {name} has wrong values", remedy)
    return table.reset_index(drop=True)
