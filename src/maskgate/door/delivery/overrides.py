"""Staff let somebody in: what a message from outside asks of the loop that watches."""

import threading
import time
from typing import Final, Protocol, runtime_checkable

OPENS: Final = 6.0  # seconds for which an override opens a door, as at a kiosk
_OLDEST: Final = 2.0  # seconds after which a request that nobody has taken no longer counts


@runtime_checkable
class Overriding(Protocol):
    """A sink that hears from staff."""

    def take_override(self) -> bool:
        """Whether staff have let somebody in since it was last called."""
        ...


class Overrides:
    """Requests of staff to let somebody in, from one thread to another. Several that wait are one;
    one that has waited, as when watching hung, is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._time: float | None = None  # of the newest request, by time.monotonic

    def add(self) -> None:
        """Somebody is to be let in now."""
        with self._lock:
            self._time = time.monotonic()

    def take(self) -> bool:
        """Whether somebody is to be let in."""
        with self._lock:
            request, self._time = self._time, None
        return request is not None and time.monotonic() - request <= _OLDEST
