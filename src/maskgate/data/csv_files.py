"""Reads CSV files of strangers: encoding and separator are detected, every row is checked.

Nothing is guessed: UTF-8, UTF-16 with its mark and CP949 (Korean Excel) exclude each other, the
separator is the one that splits the header into most columns, and a row that does not fit the
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
from typing import Final

import pandas as pd

from maskgate.core import files
from maskgate.errors import MaskgateError, listed

_SEPARATORS: Final = ",;\t|"  # the first of those that split the header alike
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD: Final = 1 << 20  # bytes that are read for a header


def load(path: Path) -> pd.DataFrame:
    """The rows of a CSV, every field as text without white space around it, NaN where empty.

    Raises MaskgateError where it is no CSV, where columns share a name, and for rows that are
    longer or shorter than the header, with their lines. Empty fields at a row's end may be extra.
    """
    records = _records(path, _decode(path, files.content(path, "a CSV")))
    if not records:
        return pd.DataFrame()
    names, *rows = (fields for _, fields in records)
    width = len(names)
    needed = max((place for place, name in enumerate(names, 1) if name), default=0)
    odd = [
        f"line {line} has {len(fields)} field{'' if len(fields) == 1 else 's'}"
        for line, fields in records
        if len(fields) != width and (len(fields) < needed or any(map(str.strip, fields[width:])))
    ]
    if odd:
        raise MaskgateError(
            f"{path}: {listed(odd)} where the header has {needed}; quote a field that holds the"
            " separator, and leave an empty field for what is missing"
        )
    columns = {}
    for place, (name, *cells) in enumerate(islice(zip_longest(names, *rows, fillvalue=""), width)):
        column = pd.Series(cells, dtype="str").str.strip()
        if name or (column != "").any():
            columns[name or f"column {place + 1}"] = column.where(column != "")
    return pd.DataFrame(columns)


def header(path: Path) -> list[str]:
    """The names of its columns, without reading all of it. Raises MaskgateError as `load`."""
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
        raise _no_csv(path, f"line {line} holds a NUL character")
    return text


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _records(path: Path, text: str, only_header: bool = False) -> list[tuple[int, list[str]]]:
    """The line and the fields of each record that is not blank, the header first."""
    separators = _SEPARATORS
    first, _, rest = text.partition("\n")
    if mark := re.fullmatch(r"sep=(.)\r?", first):  # Excel's own
        text, separators = f"\n{rest}", mark[1]
    heads = {mark: _head(text, mark) for mark in separators}
    separator = max(separators, key=lambda mark: len(heads[mark][1]))
    head = heads[separator]
    try:
        records = [head] if only_header else [head, *islice(_rows(text, separator), 1, None)]
    except csv.Error as error:
        raise _no_csv(path, str(error)) from error
    twice = [name for name, count in Counter(head[1]).items() if name and count > 1]
    if twice:
        raise MaskgateError(
            f"{path}: several columns are called {listed(twice)}; rename all but one, or remove"
            " them"
        )
    return records if head[1] else []


def _head(text: str, separator: str) -> tuple[int, list[str]]:
    """The first record, without fields where the separator makes no sense of it."""
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


def _no_csv(path: Path, why: str) -> MaskgateError:
    return MaskgateError(f"{path}: not a CSV in UTF-8, UTF-16 or CP949 ({why}); save it as one")
