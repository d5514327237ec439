"""Staff let somebody in: what a message from outside asks of the loop that watches."""

import sys
import threading
import time
from typing import Final, Protocol, runtime_checkable

OPENS: Final = 6.0  # seconds for which an override opens a door, as at a kiosk
_OLDEST: Final = 2.0  # seconds after which a request that nobody has taken no longer counts
_SETTLING: Final = 2.0  # seconds after the loop stood still in which what waited comes in


@runtime_checkable
class Overriding(Protocol):
    """A sink that hears from staff."""

    def take_override(self) -> bool:
        """Whether staff have let somebody in since it was last called."""
        ...


class Overrides:
    """Requests of staff to let somebody in, from one thread to another. Several that wait are one.

    A request says nothing of its age. One counts for two seconds after it was handed over, and only
    if the loop had run without a gap of two seconds for two seconds by then: when the process or
    the machine stood still, what was said meanwhile comes in as soon as it goes on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._request: float | None = None  # when the newest was handed over
        self._tick: float | None = None  # when the loop last ran
        self._steady_since = 0.0

    def tick(self) -> None:
        """The loop runs."""
        with self._lock:
            now = uptime()
            if not self._is_running(now):
                self._steady_since = now
            self._tick = now

    def add(self) -> None:
        """Somebody is to be let in now."""
        with self._lock:
            now = uptime()
            if self._is_running(now) and now - self._steady_since >= _SETTLING:
                self._request = now

    def take(self) -> bool:
        """Whether somebody is to be let in."""
        with self._lock:
            request, self._request = self._request, None
            return request is not None and uptime() - request <= _OLDEST

    def _is_running(self, now: float) -> bool:
        return self._tick is not None and now - self._tick <= _OLDEST


def uptime() -> float:
    """Seconds that also pass while the machine is suspended, where the system counts these."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
