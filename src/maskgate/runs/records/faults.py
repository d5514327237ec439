"""The fault of a file of a run: which one, what is wrong with it, and what to do."""

import os
from pathlib import Path
from typing import Final

from maskgate.errors import DiskError, MaskgateError, truncate

REMEDY: Final = "put back a copy of it, or remove the run and train it again"
_LONGEST: Final = 160  # characters of a reason: what a file holds may be quoted in it


def no_run(path: Path) -> MaskgateError:
    """The fault of a path where no run is."""
    return MaskgateError(f"{path}: no run; give a folder that `maskgate train` has left")


def no_runs(folder: Path) -> MaskgateError:
    """The fault of a folder that holds no run."""
    return MaskgateError(f"{folder}: holds no runs; `maskgate train` makes them")


def damaged(path: Path, why: str, remedy: str = REMEDY) -> MaskgateError:
    """The fault of a file that is missing or does not hold what it should."""
    short = truncate(why, _LONGEST)
    shown = short.encode("utf-8", "backslashreplace").decode()
    return MaskgateError(f"{path}: missing or damaged ({shown}); {remedy}")


def unreadable(path: Path, error: OSError, remedy: str = REMEDY) -> DiskError:
    """The fault of a file that the system does not give."""
    if isinstance(error, PermissionError):
        return DiskError(
            f"{path}: you may not read it ({os.strerror(error.errno or 0)}); give yourself the"
            " permission, and repeat the command"
        )
    why = os.strerror(error.errno) if error.errno else str(error)
    return DiskError(str(damaged(path, why, remedy)))
