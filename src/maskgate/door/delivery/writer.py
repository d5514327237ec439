"""Writes to a disk from a thread of its own, so that nobody who has an event waits for the disk."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from maskgate.core.progress import log
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.door.delivery.worker import Worker, reason
from maskgate.errors import MaskgateError

Item = TypeVar("Item")

MOST: Final = 10_000  # items that wait in memory for a slow disk; further ones are lost
_GROUP: Final = 1000  # items that are written together, at most
_LEAST: Final = 2.0  # seconds to write what waits in the end: a disk that works needs far less
_MOST_ERRORS: Final = 3  # unexpected ones of one item, after which it is given up


class Writer(Generic[Item]):
    """Gives items, in order, to `write`, which returns how many of the first ones are on the disk
    now, or raises MaskgateError; then it is tried again. What has come meanwhile is written
    together. After another exception the items are written one by one, and one that raises some
    again and again is given up. `counts` are those of all sinks that lose what is lost here."""

    def __init__(
        self, name: str, write: Callable[[Sequence[Item]], int], counts: Sequence[Counts]
    ) -> None:
        self._name, self._write, self._counts = name, write, counts
        self._items: deque[Item] = deque()
        self._adding = threading.Lock()
        self._lost, self._group = 0, 0
        self._errors, self._singly = 0, 0  # unexpected errors, and how many items go one by one
        self._failures = FailureLog(name)
        self._worker = Worker(name, self._step, self._fail)
        self._worker.start()

    def add(self, item: Item) -> None:
        """Have an item written; it returns at once."""
        with self._adding:
            has_room = len(self._items) < MOST
            if has_room:
                self._items.append(item)
        if has_room:
            self._worker.notify()
            return
        if not self._lost:
            log(f"{self._name}: the disk is too slow, and some events are lost from now on")
        self._lost += 1
        for counts in self._counts:
            counts.add_lost("full")

    def close(self, seconds: float) -> bool:
        """Write what waits, for at most so many seconds, or two if those are fewer; the rest is
        lost, counted and reported. Returns whether the thread has ended."""
        has_ended = self._worker.close(max(seconds, _LEAST))
        if rest := len(self._items):
            for counts in self._counts:
                counts.add_lost("disk", rest)
        if lost := self._lost + rest:
            events = "1 event is" if lost == 1 else f"{lost:,} events are"
            log(f"{self._name}: {events} lost, as the disk was too slow or failed")
        return has_ended

    def __len__(self) -> int:
        """How many items are not written yet."""
        return len(self._items)

    def _step(self) -> bool:
        if not self._worker.wait_for(lambda: self._items):
            return False
        with self._adding:
            group = list(islice(self._items, 1 if self._singly else _GROUP))
        self._group = len(group)
        self._remove(self._write(group))
        self._failures.end("disk", "events are written again")
        return True

    def _fail(self, error: Exception) -> None:
        for counts in self._counts:
            counts.add_failure()
        self._failures.say("disk", f"cannot be written, and is tried again: {reason(error)}")
        if isinstance(error, MaskgateError):
            return
        self._singly = self._singly or self._group
        self._errors += 1
        if self._errors > _MOST_ERRORS:
            self._remove(1)
            for counts in self._counts:
                counts.add_lost("disk")
            self._failures.say("error", f"an event is given up: {reason(error)}")

    def _remove(self, count: int) -> None:
        """The first items are done with."""
        self._errors, self._singly = 0, max(0, self._singly - count)
        with self._adding:
            for _ in range(count):
                self._items.popleft()
