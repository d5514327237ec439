"""Lines on stderr about what fails, not one for each attempt."""

import threading
import time
from typing import Final

from maskgate.core.progress import log

_REMIND: Final = 600.0  # seconds between lines on the same failure


class FailureLog:
    """The failures of one sink, by their kind; safe to use from several threads."""

    def __init__(self, sink: str) -> None:
        self._sink, self._lock = sink, threading.Lock()
        self._lines: dict[str, tuple[str, float]] = {}

    def say(self, kind: str, message: str, detail: str = "") -> None:
        """Print the message if it is another than the last one of its kind, or if that is long ago.
        The `detail` behind it makes it no other."""
        with self._lock:
            before, time_before = self._lines.get(kind, ("", 0.0))
            if message == before and time.monotonic() - time_before < _REMIND:
                return
            self._lines[kind] = message, time.monotonic()
        log(f"{self._sink}: {message}{detail}")

    def end(self, kind: str, message: str) -> None:
        """Print the message if there was a failure of that kind, which has ended."""
        with self._lock:
            if self._lines.pop(kind, None) is None:
                return
        log(f"{self._sink}: {message}")
