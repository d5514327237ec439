"""Delivers the events of an outbox to one sink, from a thread of its own: in order, each at least
once."""

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from maskgate.core.progress import log
from maskgate.door.delivery.counts import Counts, Loss
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.door.delivery.outbox import Outbox, Waiting, events_wait
from maskgate.door.delivery.worker import Worker, reason

FIRST_PAUSE: Final = 1.0  # seconds before the second attempt; twice as long before each next
_LONGEST: Final = 300.0  # seconds
_ENDING: Final = 0.5  # seconds in which a receiver notices that the time has passed
_MOST_ERRORS: Final = 8  # attempts in a row with an unexpected error; some minutes


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
        self._failures = FailureLog(self._sink)
        self._attempts, self._done = 0, list[Waiting]()
        self._worker = Worker(self._sink, self._step, self._fail)
        if self._waiting:
            log(f"{self._sink}: {events_wait(self._waiting)} from before")
        self._worker.start()

    @property
    def _waiting(self) -> int:
        return self._outbox.count(self._sink)

    def notify(self, lost: int) -> None:
        """There are new events in the outbox, for which `lost` old ones had to go."""
        if lost:
            self._counts.add_lost("full", lost)
            self._failures.say("queue", "the queue is full, so the oldest events are dropped")
        self._worker.notify()

    def close(self, seconds: float) -> None:
        """Deliver what waits, for at most so many seconds; the rest stays in the outbox."""
        self._worker.close(seconds, _ENDING)
        if rest := self._waiting:
            log(f"{self._sink}: {events_wait(rest)} for the next start")

    def _step(self) -> bool:
        """Deliver the first events, or note in the outbox that they have arrived."""
        if self._done:
            self._outbox.remove(self._sink, self._done)
            self._attempts, self._done = 0, []
        elif self._worker.is_over():
            return False
        elif events := self._outbox.oldest(self._sink, self._receiver.group):
            self._done = events[: self._attempt(events)]
            self._attempts += 1
        else:
            return self._worker.wait_for(lambda: self._waiting)
        return True

    def _fail(self, error: Exception) -> None:
        """The outbox's disk has failed."""
        self._counts.add_failure()
        self._failures.say("disk", reason(error))

    def _attempt(self, events: Sequence[Waiting]) -> int:
        """How many of the first events need not be tried again."""
        damaged = next((n for n, each in enumerate(events) if not each.is_whole), len(events))
        if not damaged:
            self._give_up("disk", "it is damaged on the disk")
            return 1
        try:
            count = self._receiver.deliver(events[:damaged], self._worker.is_over)
        except RefusedError as error:
            self._give_up("refused", str(error))
            return 1
        except FailedError as error:
            self._repeat(str(error), error.pause)
            return 0
        except Exception as error:  # such as an answer that no library expects
            if self._attempts + 1 >= _MOST_ERRORS:
                self._give_up("refused", reason(error))
                return 1
            self._repeat(reason(error))
            return 0
        self._counts.add_delivered(count)
        self._failures.end("delivery", f"delivers again; {events_wait(self._waiting - count)}")
        return count

    def _give_up(self, loss: Loss, message: str) -> None:
        """The first event is lost."""
        self._counts.add_lost(loss)
        self._failures.say(loss, f"an event is given up: {message}")

    def _repeat(self, message: str, pause: float | None = None) -> None:
        """Count and report a failed attempt, and wait before the next one."""
        if self._worker.is_over():
            return
        self._counts.add_failure()
        self._failures.say("delivery", message, f"; {events_wait(self._waiting)}")
        pause = self._backoff() if pause is None else pause
        self._worker.pause(max(pause, self._receiver.first_pause / 2))

    def _backoff(self) -> float:
        """Seconds to wait, of which half are random: so not all senders come back at once."""
        pause = min(_LONGEST, self._receiver.first_pause * 2 ** min(self._attempts, 20))
        return pause * random.uniform(0.5, 1)
