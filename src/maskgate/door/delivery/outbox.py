"""Events on the disk until every receiver has had them; a killed process loses none.

It is one SQLite database. An event is in it once, and for each sink the numbers of those events
that it has not had. Both are written in one transaction: either all sinks get an event, or none.
What is stored stays also if the power fails (`synchronous=FULL`). An event that all have had is
overwritten (`secure_delete`). What a disk has damaged ends nobody: an event is handed out as it is,
with `is_whole` false, and a database that cannot be read is moved away, also while it is used.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from maskgate.core.progress import log
from maskgate.door.delivery import databases
from maskgate.errors import MaskgateError

NAME: Final = "outbox.sqlite"
LIMIT: Final = 100_000  # events for each sink: about 50 MB
_CLOSING: Final = 1.0  # seconds to wait for a disk that hangs
_MOST_DAMAGED: Final = 3  # calls in a row that find the database damaged, after which it goes
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS pending (
    sink TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (sink, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_by_number ON pending (number);
CREATE TABLE IF NOT EXISTS sender (id TEXT NOT NULL);
PRAGMA user_version = 1;
"""
_SCHEMA: Final = databases.Schema(
    _TABLES, {"events": "number, id, body", "pending": "sink, number", "sender": "id"}, version=1
)


@dataclass(frozen=True)
class Waiting:
    """An event that waits for a sink: its place in the order of all, its id, and its JSON."""

    number: int
    id: str
    body: str

    @property
    def is_whole(self) -> bool:
        """Whether it is as it was stored: JSON in UTF-8 with this id."""
        try:
            self.body.encode()
            content = json.loads(self.body)
        except ValueError:
            return False
        return isinstance(content, dict) and content.get("id") == self.id


def _ignore(_sink: str, _count: int) -> None:
    pass


class Outbox:
    """The outbox in `file` for `sinks`, each with at most `limit` events that wait for it; safe to
    use from several threads.

    `sender` is an identifier of the outbox that stays the same from one process to the next. Raises
    MaskgateError if the file cannot be used, also because another process does. A damaged file is
    moved away and a new outbox is begun, at the start and later; then `on_loss` is called with each
    sink and how many events it has lost.
    """

    def __init__(self, file: Path, sinks: Sequence[str], limit: int = LIMIT) -> None:
        self.file, self._sinks, self._limit = file, tuple(sinks), limit
        self.on_loss: Callable[[str, int], None] = _ignore
        self._lock, self._is_closed = threading.RLock(), False
        self._damages = list[sqlite3.Error]()  # those that came one after the other
        self._newest, self.sender, self._counts = 0, uuid4().hex, dict[str, int]()
        self._connection = databases.open_database(file, _SCHEMA)
        try:
            waiting = self._read()
        except MaskgateError:
            if not self._damages:
                self.close()
                raise
            self._begin_anew()
            waiting = self._read()
        self._counts = dict.fromkeys(sinks, 0) | waiting
        for sink, count in waiting.items():
            if sink not in sinks:
                log(f"{file}: {events_wait(count)} for {sink}, which is not given this time")

    def _read(self) -> dict[str, int]:
        """Read the sender, or write it into a new outbox. Returns how many events wait for each
        sink. What belongs to no event, or to no sink, is removed."""
        with self._transaction() as connection:
            known = [each for (each,) in connection.execute("SELECT id FROM sender")]
            if len(known) == 1 and known[0].isalnum() and known[0].isascii():
                self.sender = known[0]
            else:
                connection.execute("DELETE FROM sender")
                connection.execute("INSERT INTO sender VALUES (?)", (self.sender,))
            connection.execute(
                "DELETE FROM pending WHERE number NOT IN (SELECT number FROM events)"
            )
            connection.execute(
                "DELETE FROM events WHERE number NOT IN (SELECT number FROM pending)"
            )
            return self._waiting_of_each()

    def _waiting_of_each(self) -> dict[str, int]:
        rows = self._connection.execute("SELECT sink, count(*) FROM pending GROUP BY sink")
        return dict(rows.fetchall())

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
                    assert number is not None
                    self._newest = max(self._newest, number)
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
            if not rows and self._counts[sink]:  # there is less than was counted
                self._counts |= dict.fromkeys(self._counts, 0) | self._waiting_of_each()
        self._newest = max([self._newest, *(number for number, _, _ in rows)])
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
            if len(self._damages) >= _MOST_DAMAGED:
                self._begin_anew()
            try:
                yield self._connection
                self._connection.commit()
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.rollback()
                self._damages = [*self._damages, error] if databases.is_damage(error) else []
                raise databases.refusal(self.file, error) from error
            self._damages = []

    def _begin_anew(self) -> None:
        """Move the damaged file away and begin a new one, in which no number comes again. What
        waited is lost. Raises MaskgateError, and then it is to be called again."""
        self._connection.close()
        if self.file.exists():
            databases.move_away(self.file, self._damages[-1])
        self._connection = databases.open_database(self.file, _SCHEMA)
        self._damages = []
        self._read()
        with self._transaction() as connection:
            connection.execute("INSERT INTO sqlite_sequence VALUES ('events', ?)", (self._newest,))
        lost, self._counts = self._counts, dict.fromkeys(self._counts, 0)
        for sink, count in lost.items():
            self.on_loss(sink, count)

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
