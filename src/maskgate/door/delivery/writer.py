"""Writes to a disk from a thread of its own, so that nobody who has an event waits for the disk."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from maskgate.core.progress import log
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.errors import MaskgateError

Item = TypeVar("Item")

MOST: Final = 10_000  # items that wait in memory for a slow disk; further ones are lost
_GROUP: Final = 1000  # items that are written together, at most
_LEAST: Final = 2.0  # seconds to write what waits in the end: a disk that works needs far less
_REPEAT: Final = 1.0  # seconds between attempts while the disk fails


class Writer(Generic[Item]):
    """Gives items, in order, to `write`, which returns how many of the first ones are on the disk
    now, or raises MaskgateError; then it is tried again. What has come meanwhile is written
    together. `counts` are those of all sinks that lose what is lost here."""

    def __init__(
        self, name: str, write: Callable[[Sequence[Item]], int], counts: Sequence[Counts]
    ) -> None:
        self._name, self._write, self._counts = name, write, counts
        self._items: deque[Item] = deque()
        self._news = threading.Condition()
        self._end: float | None = None  # by time.monotonic, once it closes
        self._lost = 0
        self._failures = FailureLog(name)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, item: Item) -> None:
        """Have an item written; it returns at once."""
        with self._news:
            if len(self._items) < MOST:
                self._items.append(item)
                self._news.notify_all()
                return
        if not self._lost:
            log(f"{self._name}: the disk is too slow, and some events are lost from now on")
        self._lost += 1
        for counts in self._counts:
            counts.add_lost("full")

    def close(self, seconds: float) -> bool:
        """Write what waits, for at most so many seconds, or two if those are fewer; the rest is
        lost, counted and reported. Returns whether the thread has ended."""
        seconds = max(seconds, _LEAST)
        with self._news:
            self._end = time.monotonic() + seconds
            self._news.notify_all()
        self._thread.join(seconds)
        if rest := len(self._items):
            for counts in self._counts:
                counts.add_lost("disk", rest)
        if lost := self._lost + rest:
            events = "1 event is" if lost == 1 else f"{lost:,} events are"
            log(f"{self._name}: {events} lost, as the disk was too slow or failed")
        return not self._thread.is_alive()

    def __len__(self) -> int:
        """How many items are not written yet."""
        return len(self._items)

    def _run(self) -> None:
        while group := self._next_group():
            try:
                count = self._write(group)
            except MaskgateError as error:
                for counts in self._counts:
                    counts.add_failure()
                self._failures.say("disk", f"cannot be written, and is tried again: {error}")
                if not self._pause():
                    return
            else:
                self._failures.end("disk", "events are written again")
                with self._news:
                    for _ in range(count):
                        self._items.popleft()

    def _next_group(self) -> list[Item]:
        """What is to be written next; empty if there will be nothing."""
        with self._news:
            self._news.wait_for(lambda: self._items or self._end is not None)
            return list(islice(self._items, _GROUP))

    def _pause(self) -> bool:
        """Wait until the next attempt; False if there will be none."""
        until = time.monotonic() + _REPEAT
        with self._news:
            while (rest := min(until, self._end or until) - time.monotonic()) > 0:
                self._news.wait(rest)
            return self._end is None or time.monotonic() < self._end
