"""Ends a service on SIGINT and SIGTERM."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

_LOOK: Final = 0.05  # seconds between looks whether a flag is set


class Flag:
    """A flag, such as a request to stop, which a signal handler may `set` at any moment.

    threading.Event cannot be used: its `set` takes a lock, and hangs if the interrupted thread has
    it, as queues do.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set the flag, for good."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait until it is set, at most so long; 0 or less does not wait."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))


@contextlib.contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have SIGINT and SIGTERM call the handler, in the main thread; in another thread this
    does nothing. It must take no lock, as it may interrupt code that holds the same one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in zip(numbers, before, strict=True):
            signal.signal(number, earlier)
