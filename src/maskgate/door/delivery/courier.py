"""Delivers the events of a queue from a thread of its own: in order, each at least once."""

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from maskgate.core.progress import log
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.disk_queue import DiskQueue, Waiting
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.errors import MaskgateError

_FIRST: Final = 1.0  # seconds before the second attempt; twice as long before each next
_LONGEST: Final = 300.0  # seconds
_RECHECK: Final = 1.0  # seconds after which a queue whose disk failed is read again


class FailedError(Exception):
    """An attempt that failed and is repeated, not before `pause` seconds where it is given."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class RefusedError(Exception):
    """The receiver will never take this event: it is given up, and the next one follows."""


class Courier:
    """Gives each event of the queue to `deliver`, which returns when it has arrived, or raises
    FailedError or RefusedError. An event leaves the queue only then, so that a killed process
    repeats the last one. `first_pause` is the pause in seconds after one failure; it doubles with
    each more.
    """

    def __init__(
        self,
        queue: DiskQueue,
        counts: Counts,
        deliver: Callable[[Waiting], object],
        first_pause: float = _FIRST,
    ) -> None:
        self._queue, self._counts, self._deliver = queue, counts, deliver
        self._first_pause = first_pause
        counts.waiting = lambda: len(queue)
        self._news = threading.Condition()
        self._end: float | None = None  # by time.monotonic, once it closes
        self._failures = FailureLog(counts.sink)
        self._thread = threading.Thread(target=self._run, name=counts.sink, daemon=True)

    def start(self) -> None:
        """Begin with what waits from before."""
        if len(self._queue):
            log(f"{self._counts.sink}: {events_wait(len(self._queue))} from before")
        self._thread.start()

    def put(self, identifier: str, body: str) -> None:
        """Add an event to the queue. A failure of the disk is reported and counted, not raised."""
        try:
            dropped = self._queue.put(identifier, body)
        except MaskgateError as error:
            self._counts.add_lost("disk")
            self._failures.say("put", f"events are lost: {error}")
            return
        if dropped:
            self._counts.add_lost("full", dropped)
            self._failures.say("queue", "the queue is full, so the oldest events are dropped")
        with self._news:
            self._news.notify_all()

    def close(self, seconds: float) -> None:
        """Deliver what waits, for at most so many seconds; the rest stays in the queue."""
        with self._news:
            self._end = time.monotonic() + seconds
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if rest := len(self._queue):
            log(f"{self._counts.sink}: {events_wait(rest)} for the next start")
        self._queue.close()

    @property
    def is_over(self) -> bool:
        """Whether the time for the delivery has passed."""
        return self._end is not None and time.monotonic() >= self._end

    def _run(self) -> None:
        attempts = 0
        while not self.is_over:
            try:
                waiting = self._queue.first()
                if waiting is None:
                    if not self._wait_for_news():
                        return
                    continue
                if self._attempt(waiting, attempts):
                    self._queue.remove(waiting)
                    attempts = 0
                else:
                    attempts += 1
            except MaskgateError as error:  # of the queue's disk
                if self.is_over:
                    return
                self._failures.say("disk", str(error))
                self._pause(_RECHECK)

    def _attempt(self, waiting: Waiting, attempts: int) -> bool:
        """Whether the event need not be tried again."""
        try:
            self._deliver(waiting)
        except RefusedError as error:
            self._counts.add_lost("refused")
            self._failures.say("refused", f"an event is given up: {error}")
            return True
        except FailedError as error:
            if self.is_over:
                return False
            self._counts.add_failure()
            self._failures.say("delivery", str(error), f"; {events_wait(len(self._queue))}")
            pause = self._backoff(attempts) if error.pause is None else error.pause
            self._pause(max(pause, self._first_pause / 2))
            return False
        self._counts.add_delivered()
        self._failures.end("delivery", f"delivers again; {events_wait(len(self._queue) - 1)}")
        return True

    def _backoff(self, attempts: int) -> float:
        """Seconds to wait, of which half are random: so not all senders come back at once."""
        pause = min(_LONGEST, self._first_pause * 2 ** min(attempts, 20))
        return pause * random.uniform(0.5, 1)

    def _pause(self, seconds: float) -> None:
        """Wait, and no longer than until the end."""
        until = time.monotonic() + seconds
        with self._news:
            while (rest := min(until, self._end or until) - time.monotonic()) > 0:
                self._news.wait(rest)

    def _wait_for_news(self) -> bool:
        """Wait for an event; False if there will be none."""
        with self._news:
            while not len(self._queue):
                if self._end is not None:
                    return False
                self._news.wait()
        return True


def events_wait(count: int) -> str:
    """The words that so many events wait."""
    return "1 event waits" if count == 1 else f"{count:,} events wait"
