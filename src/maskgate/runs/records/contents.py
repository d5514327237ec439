"""The files of a finished run, with their sizes and SHA-256; each is checked when it is read."""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from maskgate.errors import MaskgateError
from maskgate.runs.records.faults import REMEDY, damaged, unreadable


class Entry(BaseModel):
    """Size and SHA-256 of a file when it was listed."""

    model_config = ConfigDict(extra="forbid", strict=True)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


Name = Annotated[
    str, Field(pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")
]  # of a file, from the run's folder
Entries = dict[Name, Entry]


def entry(path: Path) -> Entry:
    """The entry of a file. Raises MaskgateError where it cannot be read."""
    with _opened(path, REMEDY) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Entry(sha256=digest, bytes=os.fstat(file.fileno()).st_size)


def read(path: Path, listed: Entry | None, remedy: str = REMEDY, limit: int = -1) -> bytes:
    """The file's bytes, the first `limit` unless that is negative. Raises MaskgateError where it is
    missing or differs from `listed` (None for a file that is not in a list)."""
    with _opened(path, remedy) as file:
        try:
            content = file.read(limit)
        except OSError as error:
            raise unreadable(path, error, remedy) from error
    if listed is not None:
        _compare(path, len(content), hashlib.sha256(content).hexdigest(), listed)
    return content


def digest(path: Path, listed: Entry | None) -> str:
    """SHA-256 of the file, read in parts. Raises MaskgateError as `read` does."""
    current = entry(path)
    if listed is not None:
        _compare(path, current.bytes, current.sha256, listed)
    return current.sha256


def check_exists(path: Path, listed: Entry | None) -> None:
    """Raise MaskgateError where the file is missing, may not be read or has another size.

    Its content is not read.
    """
    with _opened(path, REMEDY) as file:
        size = os.fstat(file.fileno()).st_size
    if listed is not None and size != listed.bytes:
        raise _changed(path)


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[io.BufferedReader]:
    """The open file; not a folder, and not a pipe or device, which might never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise damaged(path, "it is no file", remedy)
        file = path.open("rb")
    except OSError as error:
        raise unreadable(path, error, remedy) from error
    except ValueError as error:  # a NUL in its name
        raise damaged(path, str(error), remedy) from error
    with file:
        yield file


def _compare(path: Path, size: int, sha256: str, listed: Entry) -> None:
    if (size, sha256) != (listed.bytes, listed.sha256):
        raise _changed(path)


def _changed(path: Path) -> MaskgateError:
    return damaged(path, "it has changed since the run ended")
