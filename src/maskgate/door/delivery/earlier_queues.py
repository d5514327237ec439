"""The queues of a maskgate before it had an outbox: a database for each sink, which is emptied."""

import sqlite3
from typing import Final

from maskgate.core.progress import log
from maskgate.door.delivery.outbox import Outbox, events_wait, open_database
from maskgate.errors import disk_error

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS events"
    " (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL);"
)


def move(outbox: Outbox, sink: str) -> None:
    """Move the events that wait in the earlier queue of a sink, beside the outbox, into the outbox,
    before any new one is. If this is killed, some may arrive twice. Raises MaskgateError."""
    file = outbox.file.with_name(f"{sink}.sqlite")
    if not file.exists():
        return
    connection = open_database(file, _TABLES)
    try:
        events = connection.execute("SELECT id, body FROM events ORDER BY number").fetchall()
        if events:
            outbox.store(events, [sink])
            log(f"{file}: {events_wait(len(events))} from an earlier version")
            connection.execute("DELETE FROM events")  # overwrites them
            connection.commit()
    except sqlite3.Error as error:
        raise disk_error(OSError(str(error)), file) from error
    finally:
        connection.close()
    try:
        file.unlink()
    except OSError as error:
        raise disk_error(error, file) from error
