"""Delivers the events of an outbox to one sink, from a thread of its own: in order, each at least
once."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from maskgate.core.progress import log
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.door.delivery.outbox import Outbox, Waiting, events_wait
from maskgate.errors import MaskgateError

FIRST_PAUSE: Final = 1.0  # seconds before the second attempt; twice as long before each next
_LONGEST: Final = 300.0  # seconds
_ENDING: Final = 0.5  # seconds in which a receiver notices that the time has passed
_RECHECK: Final = 1.0  # seconds after which an outbox whose disk failed is read again


class FailedError(Exception):
    """An attempt that failed and is repeated, not before `pause` seconds where it is given."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class RefusedError(Exception):
    """The receiver will never take the first event: it is given up, and the next one follows."""


class Receiver(Protocol):
    """Where a courier delivers to. `counts` has the name of the sink, `group` is how many events
    it takes at most together, and `first_pause` the pause in seconds after one failure, which
    doubles with each more."""

    counts: Counts
    group: int
    first_pause: float

    def deliver(self, events: Sequence[Waiting], is_over: Callable[[], bool]) -> int:
        """Deliver one or more of the first events. Returns how many of them have arrived. Raises
        FailedError, also where it waits and `is_over` becomes true, or RefusedError."""
        ...

    def end(self) -> None:
        """There is nothing more to deliver."""
        ...


class Courier:
    """Delivers to a receiver what waits for it. An event leaves the outbox when it has arrived, so
    that a killed process repeats what was under way."""

    def __init__(self, outbox: Outbox, receiver: Receiver) -> None:
        self._outbox, self._receiver = outbox, receiver
        self._counts, self._sink = receiver.counts, receiver.counts.sink
        self._news = threading.Condition()
        self._end: float | None = None  # by time.monotonic, once it closes
        self._failures = FailureLog(self._sink)
        self._thread = threading.Thread(target=self._run, name=self._sink, daemon=True)
        if self._waiting:
            log(f"{self._sink}: {events_wait(self._waiting)} from before")
        self._thread.start()

    @property
    def _waiting(self) -> int:
        return self._outbox.count(self._sink)

    def notify(self, lost: int) -> None:
        """There are new events in the outbox, for which `lost` old ones had to go."""
        if lost:
            self._counts.add_lost("full", lost)
            self._failures.say("queue", "the queue is full, so the oldest events are dropped")
        with self._news:
            self._news.notify_all()

    def close(self, seconds: float) -> None:
        """Deliver what waits, for at most so many seconds; the rest stays in the outbox."""
        with self._news:
            self._end = time.monotonic() + seconds
            self._news.notify_all()
        self._thread.join(seconds + _ENDING)
        if rest := self._waiting:
            log(f"{self._sink}: {events_wait(rest)} for the next start")

    def _is_over(self) -> bool:
        """Whether the time for the delivery has passed."""
        return self._end is not None and time.monotonic() >= self._end

    def _run(self) -> None:
        attempts, done = 0, list[Waiting]()
        while done or not self._is_over():
            try:
                if done:
                    self._outbox.remove(self._sink, done)
                    attempts, done = 0, []
                elif events := self._outbox.oldest(self._sink, self._receiver.group):
                    done = events[: self._attempt(events, attempts)]
                    attempts += 1
                elif not self._wait_for_news():
                    return
            except MaskgateError as error:  # of the outbox's disk
                if self._is_over():
                    return
                self._counts.add_failure()
                self._failures.say("disk", str(error))
                self._pause(_RECHECK)

    def _attempt(self, events: Sequence[Waiting], attempts: int) -> int:
        """How many of the first events need not be tried again."""
        try:
            count = self._receiver.deliver(events, self._is_over)
        except RefusedError as error:
            self._counts.add_lost("refused")
            self._failures.say("refused", f"an event is given up: {error}")
            return 1
        except FailedError as error:
            if not self._is_over():
                self._counts.add_failure()
                self._failures.say("delivery", str(error), f"; {events_wait(self._waiting)}")
                pause = self._backoff(attempts) if error.pause is None else error.pause
                self._pause(max(pause, self._receiver.first_pause / 2))
            return 0
        self._counts.add_delivered(count)
        self._failures.end("delivery", f"delivers again; {events_wait(self._waiting - count)}")
        return count

    def _backoff(self, attempts: int) -> float:
        """Seconds to wait, of which half are random: so not all senders come back at once."""
        pause = min(_LONGEST, self._receiver.first_pause * 2 ** min(attempts, 20))
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
            while not self._waiting:
                if self._end is not None:
                    return False
                self._news.wait()
        return True
