"""Files that are either whole or not there: written beside and renamed."""

import os
from collections.abc import Callable
from pathlib import Path

from maskgate.errors import MaskgateError, of_disk


def stamp(path: str | Path) -> str:
    """Size, times of change and inode: where it is another one, the content may be another one.

    A file that is replaced by one of equal size and age has another inode, and one written in place
    another time of change of its own (ctime), which no program sets. Raises OSError.
    """
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def check_target(path: Path) -> None:
    """Raise MaskgateError where no file can be written to `path`: before the work, not after."""
    if path.is_dir():
        raise MaskgateError(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise MaskgateError(f"{path}: the folder {path.parent} does not exist; make it first")


def check_folder(path: Path) -> None:
    """Raise MaskgateError where `path` cannot become a folder, before the work."""
    if path.exists() and not path.is_dir():
        raise MaskgateError(f"{path}: is a file; name a folder")


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it; nothing is left when it fails.

    Raises MaskgateError where the disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(beside)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise of_disk(error, path) from error
    finally:
        beside.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Replace the file by UTF-8 `text`."""
    replace(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def cache_folder() -> Path:
    """`$MASKGATE_CACHE`, else `maskgate` in the user's cache folder."""
    own = os.environ.get("MASKGATE_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "maskgate")


def shipped(kind: str) -> Path:
    """The folder of the `kind` (recipes, systems, corrections) that come with maskgate."""
    package = Path(__file__).parent
    installed, checkout = package / kind, package.parents[1] / kind
    return installed if installed.is_dir() else checkout
