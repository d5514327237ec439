"""Ctrl-C ends a command wherever it is, once, and without a traceback."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

_LATER: Final = 0.01  # seconds
_PATIENCE: Final = 20 if hasattr(signal, "SIGALRM") else 0  # times; Windows has no alarm
_PYTHON: Final = str(Path(os.__file__).parent)


class Interrupted(BaseException):
    """Ctrl-C; not the KeyboardInterrupt that Typer would answer in words of its own."""


def watch() -> None:
    """From now on Ctrl-C raises Interrupted in this process, and nothing in its workers.

    Python's own modules are let finish what they do, unless it takes long, as waiting does:
    broken off, they leave locks shut that others then wait for.
    """
    process, unraisable = os.getpid(), sys.unraisablehook
    put_off = 0

    def interrupt(_: int, frame: FrameType | None) -> None:
        nonlocal put_off
        if os.getpid() != process:
            return
        if put_off < _PATIENCE and frame is not None and _is_pythons_own(frame):
            put_off += 1
            signal.setitimer(signal.ITIMER_REAL, _LATER)
        else:
            put_off = 0
            raise Interrupted

    def swallowed(told: Any) -> None:
        """What is raised in a destructor is dropped: once more, later."""
        if told.exc_type is Interrupted and _PATIENCE:
            signal.setitimer(signal.ITIMER_REAL, _LATER)
        else:
            unraisable(told)

    signal.signal(signal.SIGINT, interrupt)
    if _PATIENCE:
        signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = swallowed


def _is_pythons_own(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return path.startswith(_PYTHON) and "site-packages" not in path


def end() -> None:
    """All is told: another Ctrl-C kills, and what the first left half-made is no news."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _PATIENCE:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    sys.unraisablehook = lambda _: None
