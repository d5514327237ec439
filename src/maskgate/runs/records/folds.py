"""folds.csv: the fold that each person of a run is in. Read here for the folds alone."""

import csv
import io
import re
from pathlib import Path
from typing import Final

from maskgate.data.column_values import NEVER
from maskgate.runs.records.faults import damaged

_FOLD: Final = re.compile(r"-?\d{1,9}")


def validated(content: bytes, path: Path) -> list[int]:
    """The folds that people are validated in, in order; 0 alone where nobody is validated. Raises
    MaskgateError, which names `path`, where the bytes of the file are no such table."""
    numbers = set()
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        if rows.fieldnames is None or "fold" not in rows.fieldnames:
            raise damaged(path, "column fold is missing")
        for row in rows:
            text = row["fold"]
            if text is None or not _FOLD.fullmatch(text) or int(text) < NEVER:
                raise damaged(path, "column fold holds something else")
            numbers.add(int(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(path, f"not a table: {error}") from error
    return sorted(numbers - {NEVER}) or [0]
