"""A thread that works until it is told to end, and that no error ends."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

from maskgate.errors import MaskgateError

_REPEAT: Final = 1.0  # seconds after an error


class Worker:
    """Calls `step` from a thread of its own until it returns False. After an exception, whatever it
    is, it calls `failed`, waits for a second and goes on."""

    def __init__(
        self, name: str, step: Callable[[], bool], failed: Callable[[Exception], object]
    ) -> None:
        self._step, self._failed = step, failed
        self._news = threading.Condition()
        self._end: float | None = None  # by time.monotonic, once it closes
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        """Whether it is to end when its work is done."""
        return self._end is not None

    def is_over(self) -> bool:
        """Whether the time for the work has passed."""
        return self._end is not None and time.monotonic() >= self._end

    def notify(self) -> None:
        """There is something new to do."""
        with self._news:
            self._news.notify_all()

    def wait_for(self, condition: Callable[[], object]) -> bool:
        """Wait in a step until the condition holds, which `notify` has looked at again; False if it
        does not and the worker is to end."""
        with self._news:
            self._news.wait_for(lambda: condition() or self.is_closing)
            return bool(condition())

    def pause(self, seconds: float) -> None:
        """Wait in a step, and no longer than until the end."""
        until = time.monotonic() + seconds
        with self._news:
            while (rest := min(until, self._end or until) - time.monotonic()) > 0:
                self._news.wait(rest)

    def close(self, seconds: float, ending: float = 0.0) -> bool:
        """Let it work for at most so many seconds, and wait for its thread for `ending` more.
        Returns whether that has ended."""
        with self._news:
            self._end = time.monotonic() + seconds
            self._news.notify_all()
        self._thread.join(seconds + ending)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                if not self._step():
                    return
            except Exception as error:  # a thread that ends would deliver nothing any more
                if self.is_over():
                    return
                with contextlib.suppress(Exception):  # nothing more can be said of it
                    self._failed(error)
                self.pause(_REPEAT)
                if self.is_over():
                    return


def reason(error: Exception) -> str:
    """What has failed, in words for people."""
    if isinstance(error, MaskgateError):
        return str(error)
    return f"an unexpected error ({type(error).__name__})"
