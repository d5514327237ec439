"""Notices that signs of life stop, and that they come again."""

import threading
import time
from collections.abc import Callable
from typing import Final

_LOOK: Final = 0.25  # seconds between looks at the clock


class Silence:
    """Calls `changed` from a thread of its own: with True when there has been no sign of life for
    `seconds`, and with False when there is one again. Nothing is missed before the first sign."""

    def __init__(self, seconds: float, changed: Callable[[bool], object]) -> None:
        self._seconds, self._changed = seconds, changed
        self._sign: float | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="silence", daemon=True)
        self._thread.start()

    def sign(self, now: float) -> None:
        """A sign of life at the time `now`, by time.monotonic."""
        self._sign = now

    def close(self) -> None:
        """Call nothing any more."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        was_silent = False
        while not self._closing.wait(_LOOK):
            is_silent = self._sign is not None and time.monotonic() - self._sign > self._seconds
            if is_silent != was_silent:
                was_silent = is_silent
                self._changed(is_silent)
