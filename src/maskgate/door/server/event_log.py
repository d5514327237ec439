"""The events of the service in a file, in a thread of their own: a disk may be slow."""

import queue
import threading
import time
from typing import Final

from maskgate.core.progress import log
from maskgate.door.delivery.stream import EventFile

_WAITING: Final = 10_000  # events that wait for a slow disk, at most; further ones are lost


class EventLog:
    """Appends events to a file from `start` to `close`."""

    def __init__(self, file: EventFile) -> None:
        self._file = file
        self._queue: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, event: str) -> None:
        """Append an event, JSON on one line; it returns at once."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            if not self._file.counts.lost.get("full", 0):
                log("events: the disk is too slow, and some are lost from now on")
            self._file.counts.add_lost("full")

    def close(self, seconds: float) -> None:
        """Write what waits, for at most so many seconds, and close the file."""
        until = time.monotonic() + seconds
        if lost := self._file.counts.lost.get("full", 0):
            log(f"events: {lost:,} are lost, as the disk was too slow")
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(max(0.0, until - time.monotonic()))
        if not self._thread.is_alive():
            self._file.close(0)

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            self._file.append(event)
