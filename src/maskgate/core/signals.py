"""Ends a service on SIGINT and SIGTERM."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import FrameType


class StopRequest:
    """A request to stop, for one thread that waits for it.

    A signal handler may call `set` at any moment. That of threading.Event takes a lock, and hangs
    if the interrupted thread has it.
    """

    def __init__(self) -> None:
        self._queue = SimpleQueue[None]()  # its `put` is reentrant
        self._is_set = False

    def set(self) -> None:
        """Stop."""
        self._is_set = True
        self._queue.put(None)

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait for the request, at most so long; 0 or less does not wait."""
        if not self._is_set and seconds > 0:
            with contextlib.suppress(Empty):
                self._queue.get(timeout=seconds)


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
