"""Caches the pairs of photos that a search found, so that the same photos are searched once."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from maskgate.core import files
from maskgate.data.near_duplicates import Pairs


def pairs(path: Path, count: int, search: Callable[[], Pairs]) -> Pairs:
    """The pairs (P, 2) of rows 0…count-1 in the file at `path`, or else those of `search`.

    A damaged or invalid file is replaced.
    """
    row = Annotated[int, Field(strict=True, ge=0, lt=count)]
    try:
        known = TypeAdapter(list[tuple[row, row]]).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        known = [(int(a), int(b)) for a, b in search()]
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace_text(path, TypeAdapter(list[tuple[int, int]]).dump_json(known).decode())
    return np.array(known, dtype=np.int64).reshape(-1, 2)
