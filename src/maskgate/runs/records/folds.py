"""folds.csv: the fold of each person of a run. Only the fold numbers are read here."""

import csv
import io
import re
from pathlib import Path
from typing import Final

from maskgate.data.column_values import NEVER
from maskgate.runs.records.faults import damaged

_FOLD: Final = re.compile(r"-?\d{1,9}")


def validated(content: bytes, path: Path) -> list[int]:
    """The folds in which people are validated, in order; only 0 where nobody is validated. Raises
    MaskgateError, which names `path`, where the bytes are not such a table."""
    numbers = set()
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        if rows.fieldnames is None or "fold" not in rows.fieldnames:
            raise damaged(path, "column fold is missing")
        for row in rows:
            text = row["fold"]
            if text is None or not _FOLD.fullmatch(text) or int(text) < NEVER:
                raise damaged(path, "column fold has wrong values")
            numbers.add(int(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(path, f"not a table: {error}") from error
    return sorted(numbers - {NEVER}) or [0]
