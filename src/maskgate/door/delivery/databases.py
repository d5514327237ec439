"""SQLite files that one process uses alone; one that is damaged is moved away."""

import errno
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.core.progress import log
from maskgate.errors import MaskgateError, disk_error

_SETTINGS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one process at a time; a killed one leaves no lock
    "PRAGMA auto_vacuum = FULL",  # the file shrinks as events leave
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
)
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True)
class Schema:
    """What a file consists of: SQL that creates its `tables` where they are not there, the columns
    of each, and the `version` of all that, which the SQL sets as `user_version`."""

    tables: str
    columns: Mapping[str, str]
    version: int = 0


def open_database(file: Path, schema: Schema) -> sqlite3.Connection:
    """The database in `file`, for this process and this user alone, with tables if it is new. Text
    that is not UTF-8, as a disk may have changed it, is read with `surrogateescape`. A damaged file
    is moved away. Raises MaskgateError."""
    _make_private(file)
    try:
        return _open(file, schema)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise refusal(file, error) from error
        move_away(file, error)
    _make_private(file)
    try:
        return _open(file, schema)
    except sqlite3.Error as error:
        raise refusal(file, error) from error


def move_away(file: Path, problem: sqlite3.Error) -> None:
    """Give a damaged file, which is closed, another name, and say so. Raises MaskgateError."""
    damaged = files.free(file.with_name(f"{file.name}.damaged"))
    try:
        os.replace(file, damaged)
        for suffix in ("-wal", "-shm"):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, file) from error
    log(f"{file}: damaged ({problem}); moved to {damaged.name}, and a new one is begun")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the content of a file is wrong."""
    return _code(error) in _DAMAGE


def refusal(file: Path, error: sqlite3.Error) -> MaskgateError:
    """The error for a file that cannot be used."""
    if "locked" in str(error):
        return MaskgateError(
            f"{file}: another maskgate watch uses this queue; give this one another --queue"
        )
    if _code(error) == sqlite3.SQLITE_FULL:
        return disk_error(OSError(errno.ENOSPC, ""), file)
    return disk_error(OSError(str(error)), file)


def _code(error: sqlite3.Error) -> int | None:
    """The primary code; None of an error that is not of the library, as of text that is not
    UTF-8."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _make_private(file: Path) -> None:
    """Create the file, and its folder, for this user alone. Raises MaskgateError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        files.sync_folder(file.parent)
    except OSError as error:
        raise disk_error(error, file) from error


def _open(file: Path, schema: Schema) -> sqlite3.Connection:
    """The database, locked for this process. Raises sqlite3.DatabaseError, and MaskgateError if its
    tables are others."""
    connection = sqlite3.connect(file, timeout=1, check_same_thread=False)
    connection.text_factory = _text
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
        _check(connection, file, schema)
        connection.executescript(f"BEGIN EXCLUSIVE; {schema.tables} COMMIT;")
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, file: Path, schema: Schema) -> None:
    """Raise MaskgateError if the file is of a newer maskgate, or of another program."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.version:
        raise _stranger(file, f"of a newer maskgate (version {version} of the file)")
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for table in schema.columns.keys() & {name for (name,) in tables}:
        try:
            connection.execute(f"SELECT {schema.columns[table]} FROM {table} LIMIT 0").fetchall()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_ERROR:
                raise
            raise _stranger(file, f"not a queue of maskgate ({error})") from error


def _stranger(file: Path, what: str) -> MaskgateError:
    return MaskgateError(f"{file}: is {what}; give another --queue, or remove the file")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
