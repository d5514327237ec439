"""What became of the events of one sink, for metrics."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal

Loss = Literal["full", "refused", "disk"]
"""Why an event was given up: the queue was full, the receiver refused it, or a disk failed."""


def _nothing() -> int:
    return 0


class Counts:
    """Counters of one sink since the start; safe to use from several threads. `waiting` says how
    many events wait."""

    def __init__(self, sink: str) -> None:
        self.sink = sink
        self.waiting: Callable[[], int] = _nothing
        self._lock = threading.Lock()
        self._delivered = self._failures = 0
        self._lost: Counter[Loss] = Counter()

    def add_delivered(self, count: int = 1) -> None:
        """So many more events, or orders to a relay, have arrived."""
        with self._lock:
            self._delivered += count

    def add_failure(self) -> None:
        """One more attempt has failed."""
        with self._lock:
            self._failures += 1

    def add_lost(self, reason: Loss, count: int = 1) -> None:
        """So many more events have been given up."""
        with self._lock:
            self._lost[reason] += count

    @property
    def delivered(self) -> int:
        """Events, or orders to a relay, that have arrived."""
        return self._delivered

    @property
    def failures(self) -> int:
        """Attempts that failed."""
        return self._failures

    @property
    def lost(self) -> dict[Loss, int]:
        """Events that were given up, by the reason."""
        with self._lock:
            return dict(self._lost)
