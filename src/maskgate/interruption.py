"""Ctrl-C ends a command wherever it is, once, and without a traceback."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

_LATER: Final = 0.01  # seconds
_PYTHON: Final = str(Path(os.__file__).parent)


class Interrupted(BaseException):
    """Ctrl-C; not the KeyboardInterrupt that Typer would answer in words of its own."""


def watch() -> None:
    """From now on Ctrl-C raises Interrupted in this process, and nothing in its workers.

    Python's own modules are let finish what they do, unless they wait: broken off, they leave
    locks shut that others then wait for.
    """
    process, unraisable = os.getpid(), sys.unraisablehook
    before: tuple[int, int] | None = None

    def interrupt(_: int, frame: FrameType | None) -> None:
        nonlocal before
        if os.getpid() != process or frame is None:
            return
        at = (id(frame), frame.f_lasti)
        if _is_pythons_own(frame) and at != before:
            before = at
            signal.setitimer(signal.ITIMER_REAL, _LATER)
        else:
            raise Interrupted

    def swallowed(told: Any) -> None:
        """What is raised in a destructor is dropped: once more, later."""
        if told.exc_type is Interrupted:
            signal.setitimer(signal.ITIMER_REAL, _LATER)
        else:
            unraisable(told)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = swallowed


def _is_pythons_own(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return path.startswith(_PYTHON) and "site-packages" not in path


def end() -> None:
    """All is told: another Ctrl-C kills, and what the first left half-made is no news."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    sys.unraisablehook = lambda _: None
