"""Keeps the memory of this process, and so faces in it, off the disk."""

import ctypes
import logging
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def forbid_core_dumps() -> None:
    """No core dump from now on, by the limit, and on Linux also where core dumps go to a program,
    which the limit does not stop."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def limit_logs() -> None:
    """Only warnings of the libraries: at other levels some log the bytes that they receive."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets",
                 "python_multipart", "python_multipart.multipart", "asyncio"):  # fmt: skip
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
