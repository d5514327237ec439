"""Files that are either whole or not there: written beside and renamed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from maskgate.errors import MaskgateError, of_disk, printable

_KOREAN_WINDOWS: Final = "cp949"


def is_utf8(name: str) -> bool:
    """Whether a name on disk is UTF-8, as all that is written of it must be."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def in_cp949(name: str) -> str | None:
    """What a name on disk that is not UTF-8 reads as in Korean Windows, None where in nothing."""
    try:
        return os.fsencode(name).decode(_KOREAN_WINDOWS)
    except UnicodeError:
        return None


def not_utf8(name: str) -> str:
    """Why a file or folder of that name cannot be used."""
    return f"its name on disk is not UTF-8{_read(name)}; rename it"


def check_name(path: Path) -> None:
    """Raise MaskgateError where a name in `path` is not UTF-8: it could not be written down."""
    for name in path.parts:
        if not is_utf8(name):
            raise MaskgateError(f"{path}: the name {name} is not UTF-8{_read(name)}; rename it")


def _read(name: str) -> str:
    read = in_cp949(name)
    return "" if read is None else f", in CP949 it reads {read}"


def check_target(path: Path) -> None:
    """Raise MaskgateError where no file can be written to `path`: before the work, not after."""
    check_name(path)
    if path.is_dir():
        raise MaskgateError(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise MaskgateError(f"{path}: the folder {path.parent} does not exist; make it first")


def check_folder(path: Path) -> None:
    """Raise MaskgateError where `path` cannot become a folder, before the work."""
    check_name(path)
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
    """Replace the file by UTF-8 `text`; see `printable` for names of files that are not UTF-8."""
    replace(path, lambda beside: beside.write_text(printable(text), encoding="utf-8"))


def cache_folder() -> Path:
    """`$MASKGATE_CACHE`, else `maskgate` in the user's cache folder."""
    own = os.environ.get("MASKGATE_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "maskgate")


def shipped(kind: str) -> Path:
    """The folder of the `kind` (recipes, systems, corrections) that come with maskgate."""
    package = Path(__file__).parent
    installed, checkout = package / kind, package.parents[1] / kind
    return installed if installed.is_dir() else checkout
