"""Errors about a file of a run: which file, what is wrong with it, and what to do."""

import os
from pathlib import Path
from typing import Final

from maskgate.errors import DiskError, MaskgateError, truncate

REMEDY: Final = "put back a copy of it, or remove the run and train it again"
_LONGEST: Final = 160  # characters of a reason, which may quote the file


def no_run(path: Path) -> MaskgateError:
    """The error for a path that is not a run."""
    return MaskgateError(
        f"{path}: no run; give a folder written by `maskgate train`, or a bundle to predict or"
        " submit"
    )


def no_runs(folder: Path) -> MaskgateError:
    """The error for a folder without runs."""
    return MaskgateError(f"{folder}: contains no runs; `maskgate train` makes them")


def damaged(path: Path, reason: str, remedy: str = REMEDY) -> MaskgateError:
    """The error for a file that is missing or has wrong contents."""
    printable = truncate(reason, _LONGEST).encode("utf-8", "backslashreplace").decode()
    return MaskgateError(f"{path}: missing or damaged ({printable}); {remedy}")


def unreadable(path: Path, error: OSError, remedy: str = REMEDY) -> DiskError:
    """The error for a file that the system cannot read."""
    if isinstance(error, PermissionError):
        return DiskError(
            f"{path}: you may not read it ({os.strerror(error.errno or 0)}); give yourself the"
            " permission, and repeat the command"
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return DiskError(str(damaged(path, reason, remedy)))
