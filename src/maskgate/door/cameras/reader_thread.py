"""Ends the thread that reads a camera, which may be waiting inside FFmpeg."""

import atexit
import contextlib
from threading import Thread
from typing import Final

from maskgate.core.interruption import Interrupted

_NOW: Final = 0.3  # seconds that are waited at once


def join(thread: Thread, longest: float) -> None:
    """Wait for a thread that is ending. One that is waiting inside FFmpeg may take up to `longest`
    seconds: it is waited for when Python exits, because Python may crash if the thread returns
    from FFmpeg during the shutdown of the interpreter."""
    if not thread.is_alive():
        return
    thread.join(_NOW)
    if thread.is_alive():
        atexit.register(_join_at_exit, thread, longest)


def _join_at_exit(thread: Thread, longest: float) -> None:
    with contextlib.suppress(Interrupted):
        thread.join(longest)
