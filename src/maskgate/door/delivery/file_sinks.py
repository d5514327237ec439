"""Files of events whose disk nobody waits for: as the only place that events are kept, or as one
receiver of an outbox."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.courier import FIRST_PAUSE, FailedError
from maskgate.door.delivery.outbox import Waiting
from maskgate.door.delivery.stream import EventFile
from maskgate.door.delivery.writer import Writer
from maskgate.door.events import Event, to_json
from maskgate.errors import MaskgateError

_SINK: Final = "file"


class FileSink:
    """Appends events to a file from a thread of its own. An event is *stored* when its line is on
    the disk, which is within milliseconds on a disk that works, and at the latest when `close`
    returns; a process that is killed before loses it."""

    def __init__(self, file: EventFile) -> None:
        self._file, self.name = file, file.name
        self.counts = Counts(_SINK)
        self._writer = Writer("events", self._write, [self.counts])
        self.counts.waiting = lambda: len(self._writer)

    def send(self, event: Event) -> None:
        """Have the event appended; it returns at once."""
        self.add(to_json(event))

    def add(self, event: str) -> None:
        """Have an event appended, JSON on one line; it returns at once."""
        self._writer.add(event)

    def close(self, seconds: float) -> None:
        """Append what waits, for at most so many seconds, and close the file."""
        if self._writer.close(seconds):
            self._file.close()

    def _write(self, events: Sequence[str]) -> int:
        count = self._file.append(events)
        self.counts.add_delivered(count)
        return count


class FileReceiver:
    """Has the events of an outbox appended to a file."""

    group, first_pause = 100, FIRST_PAUSE

    def __init__(self, file: EventFile) -> None:
        self._file, self.counts = file, Counts(_SINK)
        self._is_writing = threading.Lock()

    def deliver(self, events: Sequence[Waiting], _is_over: Callable[[], bool]) -> int:
        """Append the first events. Raises FailedError."""
        with self._is_writing:
            try:
                return self._file.append([each.body for each in events])
            except MaskgateError as error:
                raise FailedError(str(error)) from error

    def end(self) -> None:
        """Close the file, unless its disk hangs."""
        if self._is_writing.acquire(blocking=False):
            self._file.close()
