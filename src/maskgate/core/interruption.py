"""Ctrl-C ends a command at any point, without a traceback."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

_DELAY: Final = 0.01  # seconds
_MAX_DELAYS: Final = 20 if hasattr(signal, "SIGALRM") else 0  # Windows has no alarm
_PYTHON: Final = str(Path(os.__file__).parent)


class Interrupted(BaseException):
    """Ctrl-C; not KeyboardInterrupt, for which Typer prints its own message."""


def watch() -> None:
    """From now on Ctrl-C raises Interrupted in this process, but not in its workers.

    Code of Python's own modules is not interrupted at once, but may continue for a short time:
    otherwise it could leave locks closed that other code waits for.
    """
    process, previous_hook = os.getpid(), sys.unraisablehook
    postponed = 0

    def interrupt(_: int, frame: FrameType | None) -> None:
        nonlocal postponed
        if os.getpid() != process:
            return
        if postponed < _MAX_DELAYS and frame is not None and _is_pythons_own(frame):
            postponed += 1
            signal.setitimer(signal.ITIMER_REAL, _DELAY)
        else:
            postponed = 0
            raise Interrupted

    def handle_unraisable(unraisable: Any) -> None:
        """Python drops an exception that is raised in a destructor: raise it again later."""
        if unraisable.exc_type is Interrupted and _MAX_DELAYS:
            signal.setitimer(signal.ITIMER_REAL, _DELAY)
        else:
            previous_hook(unraisable)

    signal.signal(signal.SIGINT, interrupt)
    if _MAX_DELAYS:
        signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = handle_unraisable


def _is_pythons_own(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return path.startswith(_PYTHON) and "site-packages" not in path


def end() -> None:
    """After the last output: another Ctrl-C kills, and unfinished destructors print nothing."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _MAX_DELAYS:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    sys.unraisablehook = lambda _: None
