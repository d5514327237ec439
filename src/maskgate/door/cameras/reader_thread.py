"""The thread that reads a camera, which may be waiting inside FFmpeg when it is to end."""

import atexit
import contextlib
from collections.abc import Callable
from threading import Thread
from typing import Final

from maskgate.core.interruption import Interrupted
from maskgate.core.signals import Flag

_NOW: Final = 0.3  # seconds that are waited at once


class ReaderThread(Thread):
    """Calls `read`. When it is to end it may wait inside FFmpeg for up to `longest` seconds.

    Its end is a flag: where a signal interrupts Thread.join, Python 3.11 may take a thread that
    runs for one that has ended.
    """

    def __init__(self, read: Callable[[], object], name: str, longest: float) -> None:
        super().__init__(target=read, name=name, daemon=True)
        self._ended = Flag()
        self._longest = longest

    @property
    def has_ended(self) -> bool:
        """Whether it has returned from `read`."""
        return self._ended.is_set()

    def run(self) -> None:
        """Read, in the thread."""
        try:
            super().run()
        finally:
            self._ended.set()

    def end(self) -> None:
        """Wait for a moment for the thread, which is ending. If that is not enough, it is waited
        for when Python exits, because Python may crash if the thread returns from FFmpeg during the
        shutdown of the interpreter."""
        if self.ident is None or self.has_ended:  # without an ident it has not been started
            return
        atexit.register(self._wait_at_exit)  # first, as the wait may be interrupted
        self._ended.wait(_NOW)
        if self.has_ended:
            atexit.unregister(self._wait_at_exit)

    def _wait_at_exit(self) -> None:
        with contextlib.suppress(Interrupted):
            self._ended.wait(self._longest)
