"""The queues of a maskgate before it had an outbox: a database for each sink, which is emptied."""

import sqlite3
from typing import Final

from maskgate.core.files import is_utf8
from maskgate.core.progress import log
from maskgate.door.delivery import databases
from maskgate.door.delivery.outbox import Outbox, events_wait
from maskgate.errors import disk_error

_SCHEMA: Final = databases.Schema(
    "CREATE TABLE IF NOT EXISTS events"
    " (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL);",
    {"events": "number, id, body"},
)


def move(outbox: Outbox, sink: str) -> None:
    """Move the events that wait in the earlier queue of a sink, beside the outbox, into the outbox,
    before any new one is. If this is killed, some may arrive twice. Raises MaskgateError."""
    file = outbox.file.with_name(f"{sink}.sqlite")
    if not file.exists():
        return
    connection = databases.open_database(file, _SCHEMA)
    try:
        events = connection.execute("SELECT id, body FROM events ORDER BY number").fetchall()
        readable = [each for each in events if all(is_utf8(text) for text in each)]
        if len(readable) < len(events):
            log(f"{file}: {len(events) - len(readable)} damaged events are given up")
        if events:
            outbox.store(readable, [sink])
            log(f"{file}: {events_wait(len(readable))} from an earlier version")
            connection.execute("DELETE FROM events")  # overwrites them
            connection.commit()
    except sqlite3.Error as error:
        raise databases.refusal(file, error) from error
    finally:
        connection.close()
    try:
        file.unlink()
    except OSError as error:
        raise disk_error(error, file) from error
