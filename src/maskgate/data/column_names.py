"""Compares the names of columns: case, white space, `_` and `-` are ignored."""

import re
import unicodedata
from collections.abc import Mapping

Names = Mapping[str, tuple[str, ...]]  # a column, and its other names


def is_name_of(name: str, column: str, known: Names) -> bool:
    """Whether `name` is one of the names of `column`."""
    return key(name) in {key(other) for other in (column, *known[column])}


def key(name: str) -> str:
    """What equal names have in common."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())
