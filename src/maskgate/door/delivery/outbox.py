"""Events on the disk until every receiver has had them; a killed process loses none.

It is one SQLite database. An event is in it once, and for each sink the numbers of those events
that it has not had. Both are written in one transaction: either all sinks get an event, or none.
What is stored stays also if the power fails (`synchronous=FULL`). An event that all have had is
overwritten (`secure_delete`).
"""

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from maskgate.core import files
from maskgate.core.progress import log
from maskgate.errors import MaskgateError, disk_error

NAME: Final = "outbox.sqlite"
LIMIT: Final = 100_000  # events for each sink: about 50 MB
_CLOSING: Final = 1.0  # seconds to wait for a disk that hangs
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
CREATE TABLE IF NOT EXISTS pending (
    sink TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (sink, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_by_number ON pending (number);
CREATE TABLE IF NOT EXISTS sender (id TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Waiting:
    """An event that waits for a sink: its place in the order of all, its id, and its JSON."""

    number: int
    id: str
    body: str


class Outbox:
    """The outbox in `file` for `sinks`, each with at most `limit` events that wait for it; safe to
    use from several threads.

    `sender` is an identifier of the outbox that stays the same from one process to the next. Raises
    MaskgateError if the file cannot be used, also because another process does. A damaged file is
    moved away and a new outbox is begun.
    """

    def __init__(self, file: Path, sinks: Sequence[str], limit: int = LIMIT) -> None:
        self.file, self._sinks, self._limit = file, tuple(sinks), limit
        self._lock, self._is_closed = threading.RLock(), False
        self._connection = open_database(file, _TABLES)
        try:
            self.sender, waiting = self._read()
        except BaseException:
            self.close()
            raise
        self._counts = dict.fromkeys(sinks, 0) | waiting
        for sink, count in waiting.items():
            if sink not in sinks:
                log(f"{file}: {events_wait(count)} for {sink}, which is not given this time")

    def _read(self) -> tuple[str, dict[str, int]]:
        """The sender, and how many events wait for each sink."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO sender SELECT ? WHERE NOT EXISTS (SELECT 1 FROM sender)",
                (uuid4().hex,),
            )
            sender = connection.execute("SELECT id FROM sender").fetchone()[0]
            waiting = connection.execute("SELECT sink, count(*) FROM pending GROUP BY sink")
            return sender, dict(waiting.fetchall())

    def store(
        self, events: Sequence[tuple[str, str]], sinks: Sequence[str] | None = None
    ) -> dict[str, int]:
        """Add events, the id and the JSON of each, as the newest for all sinks or for these: all
        of them in one transaction, which is on the disk when this returns. Returns how many of the
        oldest each sink has lost because it has too many. Raises DiskError, and then none is
        added."""
        lost = dict.fromkeys(self._sinks if sinks is None else sinks, 0)
        with self._lock:
            with self._transaction() as connection:
                for event in events:
                    number = connection.execute(
                        "INSERT INTO events (id, body) VALUES (?, ?)", event
                    ).lastrowid
                    connection.executemany(
                        "INSERT INTO pending VALUES (?, ?)", [(sink, number) for sink in lost]
                    )
                for sink in lost:
                    lost[sink] = self._remove_excess(sink, len(events))
            for sink, count in lost.items():
                self._counts[sink] += len(events) - count
        return lost

    def _remove_excess(self, sink: str, added: int) -> int:
        """Remove the oldest events of a sink, which has got so many, if it has too many."""
        excess = self._counts[sink] + added - self._limit
        if excess <= 0:
            return 0
        oldest = self._connection.execute(
            "SELECT number FROM pending WHERE sink = ? ORDER BY number LIMIT ?", (sink, excess)
        ).fetchall()
        return _remove(self._connection, sink, [number for (number,) in oldest])

    def oldest(self, sink: str, count: int) -> list[Waiting]:
        """The events that have waited longest for a sink, at most `count`. Raises DiskError."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT number, id, body FROM pending JOIN events USING (number)"
                " WHERE sink = ? ORDER BY number LIMIT ?",
                (sink, count),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def remove(self, sink: str, events: Sequence[Waiting]) -> None:
        """The sink has had these events, or has given them up. Raises DiskError."""
        with self._lock:
            with self._transaction() as connection:
                count = _remove(connection, sink, [each.number for each in events])
            self._counts[sink] -= count

    def count(self, sink: str) -> int:
        """How many events wait for a sink."""
        return self._counts[sink]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A context for one transaction, which is on the disk at its end. Raises DiskError."""
        with self._lock:
            if self._is_closed:
                raise MaskgateError(f"{self.file}: the outbox is closed")
            try:
                yield self._connection
                self._connection.commit()
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.rollback()
                raise _disk_error(self.file, error) from error

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        if self._lock.acquire(timeout=_CLOSING):  # else the disk hangs, and so would this
            if not self._is_closed:
                self._is_closed = True
                self._connection.close()
            self._lock.release()


def events_wait(count: int) -> str:
    """The words that so many events wait."""
    return "1 event waits" if count == 1 else f"{count:,} events wait"


def _remove(connection: sqlite3.Connection, sink: str, numbers: Sequence[int]) -> int:
    """These events do not wait for the sink any more, and go if they wait for none. Returns how
    many did."""
    gone = connection.executemany(
        "DELETE FROM pending WHERE sink = ? AND number = ?", [(sink, each) for each in numbers]
    ).rowcount
    connection.executemany(
        "DELETE FROM events WHERE number = ?1"
        " AND NOT EXISTS (SELECT 1 FROM pending WHERE number = ?1)",
        [(each,) for each in numbers],
    )
    return max(0, gone)


def open_database(file: Path, tables: str) -> sqlite3.Connection:
    """The database in `file`, for this process and this user alone, with `tables` if it is new. A
    damaged one is moved away. Raises MaskgateError."""
    _make_private(file)
    try:
        return _open(file, tables)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise _refusal(file, error) from error
        damaged = file.with_name(f"{file.name}.damaged")
        log(f"{file}: damaged ({error}); moved to {damaged.name}, and a new one is begun")
        os.replace(file, damaged)
        for suffix in ("-wal", "-shm"):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
        _make_private(file)
        return _open(file, tables)


def _make_private(file: Path) -> None:
    """Create the file, and its folder, for this user alone. Raises MaskgateError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        files.sync_folder(file.parent)
    except OSError as error:
        raise disk_error(error, file) from error


def _open(file: Path, tables: str) -> sqlite3.Connection:
    """The database, locked for this process. Raises sqlite3.DatabaseError."""
    connection = sqlite3.connect(file, timeout=1, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
        connection.executescript(f"BEGIN EXCLUSIVE; {tables} COMMIT;")
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
    return _disk_error(file, error)


def _disk_error(file: Path, error: sqlite3.Error) -> MaskgateError:
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return disk_error(OSError(errno.ENOSPC, ""), file)
    return disk_error(OSError(str(error)), file)
