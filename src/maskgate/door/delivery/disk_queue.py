"""Events that wait on the disk for their delivery, in order; a killed process loses none.

It is one SQLite database for each sink. An event is on the disk when `put` returns, also if the
power fails afterwards (`synchronous=FULL`), and stays there until it is removed. What is removed is
overwritten (`secure_delete`).
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from maskgate.core.progress import log
from maskgate.errors import MaskgateError, disk_error

LIMIT: Final = 100_000  # events: about 50 MB
_SETTINGS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one process at a time; a killed one leaves no lock
    "PRAGMA auto_vacuum = FULL",  # the file shrinks as events leave
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
)
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sender (id TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Waiting:
    """An event that waits: its place in the queue, its id, and its JSON."""

    number: int
    id: str
    body: str


class DiskQueue:
    """The queue in `file`, for at most `limit` events; safe to use from several threads.

    `sender` is an identifier of the queue that stays the same from one process to the next. Raises
    MaskgateError if the file cannot be used, also because another process does. A damaged file is
    moved away and a new queue is begun.
    """

    def __init__(self, file: Path, limit: int = LIMIT) -> None:
        self.file, self._limit = file, limit
        self._lock = threading.RLock()
        _make_private(file)
        try:
            self._connection = _open(file)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise _refusal(file, error) from error
            damaged = file.with_name(f"{file.name}.damaged")
            log(f"{file}: damaged ({error}); moved to {damaged.name}, and a new queue is begun")
            os.replace(file, damaged)
            for suffix in ("-wal", "-shm"):
                file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
            _make_private(file)
            self._connection = _open(file)
        self._count: int = self._one("SELECT count(*) FROM events")
        self.sender: str = self._one("SELECT id FROM sender")
        self._is_closed = False

    def _one(self, question: str) -> Any:
        return self._connection.execute(question).fetchone()[0]

    def put(self, identifier: str, body: str) -> int:
        """Add an event as the newest. Returns how many of the oldest were removed because the queue
        is full. Raises DiskError."""
        with self._lock, self._writing():
            self._connection.execute(
                "INSERT INTO events (id, body) VALUES (?, ?)", (identifier, body)
            )
            excess = max(0, self._count + 1 - self._limit)
            if excess:
                self._connection.execute(
                    "DELETE FROM events WHERE number IN"
                    " (SELECT number FROM events ORDER BY number LIMIT ?)",
                    (excess,),
                )
            self._connection.commit()
            self._count += 1 - excess
        return excess

    def first(self) -> Waiting | None:
        """The event that has waited longest; None if none waits. Raises DiskError."""
        with self._lock, self._writing():
            row = self._connection.execute(
                "SELECT number, id, body FROM events ORDER BY number LIMIT 1"
            ).fetchone()
        return None if row is None else Waiting(*row)

    def remove(self, waiting: Waiting) -> None:
        """The event has been delivered, or given up. Raises DiskError."""
        with self._lock, self._writing():
            gone = self._connection.execute(
                "DELETE FROM events WHERE number = ?", (waiting.number,)
            ).rowcount
            self._connection.commit()
            self._count -= gone

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A context for one statement or one transaction."""
        if self._is_closed:
            raise MaskgateError(f"{self.file}: the queue is closed")
        try:
            yield
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise disk_error(OSError(str(error)), self.file) from error

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._connection.close()


def _make_private(file: Path) -> None:
    """Create the file, and its folder, for this user alone. Raises MaskgateError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise disk_error(error, file) from error


def _open(file: Path) -> sqlite3.Connection:
    """The database, locked for this process. Raises sqlite3.DatabaseError."""
    connection = sqlite3.connect(file, timeout=1, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
        connection.executescript(_TABLES)
        connection.execute(
            "INSERT INTO sender SELECT ? WHERE NOT EXISTS (SELECT 1 FROM sender)", (uuid4().hex,)
        )
        connection.execute("UPDATE sender SET id = id")  # takes the lock
        connection.commit()
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
    except BaseException:
        connection.close()
        raise
    return connection


def _refusal(file: Path, error: sqlite3.OperationalError) -> MaskgateError:
    if "locked" in str(error):
        return MaskgateError(
            f"{file}: another maskgate watch uses this queue; give this one another --queue"
        )
    return disk_error(OSError(str(error)), file)
