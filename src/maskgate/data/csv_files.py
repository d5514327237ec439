"""Reads CSV files of unknown origin: detects encoding and separator, and checks every row.

The encoding is UTF-8, UTF-16 with a byte order mark, or CP949 (Korean Excel); no file fits two of
them. The separator is the one that splits the header into most columns. A row that does not fit the
header is an error.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maskgate.core import files
from maskgate.errors import MaskgateError, listed

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS: Final = ",;\t|"  # the first wins if several split the header equally
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD: Final = 1 << 20  # bytes that are read to find the header


def load(path: Path) -> "pd.DataFrame":
    """The rows of a CSV, every field as stripped text, NaN where empty. Raises MaskgateError as
    `read` does."""
    import pandas as pd

    columns = {name: pd.Series(cells, dtype="str") for name, cells in read(path).items()}
    return pd.DataFrame(columns)


def read(path: Path) -> dict[str, list[str | None]]:
    """The columns of a CSV by name, every field as stripped text, None where empty.

    Raises MaskgateError if it is not a CSV, if columns have the same name, and, with their line
    numbers, for rows longer or shorter than the header. Extra empty fields at a row's end are
    accepted.
    """
    records = _records(path, _decode(path, files.content(path, "a CSV")))
    if not records:
        return {}
    names, *rows = (fields for _, fields in records)
    column_count = len(names)
    min_fields = max((place for place, name in enumerate(names, 1) if name), default=0)
    wrong_lines = [
        f"line {line} has {len(fields)} field{'' if len(fields) == 1 else 's'}"
        for line, fields in records
        if len(fields) != column_count
        and (len(fields) < min_fields or any(map(str.strip, fields[column_count:])))
    ]
    if wrong_lines:
        raise MaskgateError(
            f"{path}: {listed(wrong_lines)} where the header has {min_fields}; quote a field that"
            " contains the separator, and leave an empty field for what is missing"
        )
    columns: dict[str, list[str | None]] = {}
    for place, (name, *cells) in enumerate(
        islice(zip_longest(names, *rows, fillvalue=""), column_count)
    ):
        texts = [cell.strip() or None for cell in cells]
        if name or any(texts):
            columns[name or f"column {place + 1}"] = texts
    return columns


def header(path: Path) -> list[str]:
    """The names of the columns, read from the file's start. Raises MaskgateError as `load`."""
    content = files.content(path, "a CSV", _HEAD)
    if len(content) == _HEAD and not content.startswith(_UTF16):
        content = content[: content.rfind(b"\n") + 1]
    records = _records(path, _decode(path, content), only_header=True)
    return [name for name in records[0][1] if name] if records else []


def _decode(path: Path, content: bytes) -> str:
    if content.startswith(b"PK\x03\x04"):
        raise _no_csv(path, "it is an Excel workbook or a ZIP file")
    encoding = "utf-8-sig"
    if content.startswith(_UTF16):
        encoding = "utf-16"
    elif not _is_utf8(content):
        encoding = "cp949"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_csv(path, f"byte {error.start} fits none of them") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _no_csv(path, f"line {line} has a NUL character")
    return text


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _records(path: Path, text: str, only_header: bool = False) -> list[tuple[int, list[str]]]:
    """The line number and the fields of each record that is not blank, the header first."""
    separators = _SEPARATORS
    first, _, rest = text.partition("\n")
    if separator_match := re.fullmatch(r"sep=(.)\r?", first):  # a line that Excel writes
        text, separators = f"\n{rest}", separator_match[1]
    headers = {separator_match: _head(text, separator_match) for separator_match in separators}
    separator = max(separators, key=lambda separator_match: len(headers[separator_match][1]))
    header_record = headers[separator]
    try:
        records = (
            [header_record]
            if only_header
            else [header_record, *islice(_rows(text, separator), 1, None)]
        )
    except csv.Error as error:
        raise _no_csv(path, str(error)) from error
    duplicates = [name for name, count in Counter(header_record[1]).items() if name and count > 1]
    if duplicates:
        raise MaskgateError(
            f"{path}: several columns are called {listed(duplicates)}; rename all but one, or"
            " remove them"
        )
    return records if header_record[1] else []


def _head(text: str, separator: str) -> tuple[int, list[str]]:
    """The first record; without fields if it cannot be read with that separator."""
    try:
        line, names = next(_rows(text, separator), (0, []))
    except csv.Error:
        return 0, []
    return line, [name.strip() for name in names]


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for fields in reader:
        if len(fields) > 1 or any(map(str.strip, fields)):
            yield reader.line_num, fields


def _no_csv(path: Path, reason: str) -> MaskgateError:
    return MaskgateError(f"{path}: not a CSV in UTF-8, UTF-16 or CP949 ({reason}); save it as one")
