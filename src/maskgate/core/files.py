"""Files that are either whole or not there: written beside and renamed.

What a killed process leaves beside is `.NAME.part`: whoever writes the file next writes over it. A
folder that a command makes goes again if the command fails.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from maskgate.errors import DiskError, MaskgateError, disk_error, printable

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


if sys.platform != "win32":
    import fcntl

_PART: Final = ".part"
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EBADF)  # of some file systems


def stamp(path: str | Path) -> str:
    """Size, times of change and inode: where it is another one, the content may be another one.

    A file that is replaced by one of equal size and age has another inode, and one written in place
    another time of change of its own (ctime), which no program sets. Raises OSError.
    """
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def check_target(path: Path) -> None:
    """Raise MaskgateError where no file can be written to `path`: before the work, not after."""
    check_name(path)
    if path.is_dir():
        raise MaskgateError(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise MaskgateError(f"{path}: the folder {path.parent} does not exist; make it first")


def check_folder(path: Path, remedy: str = "name a folder") -> None:
    """Raise MaskgateError where `path` cannot become a folder, before the work; `remedy` is for one
    that is a file."""
    check_name(path)
    if path.is_dir():
        return
    if path.exists():
        raise MaskgateError(f"{path}: is a file; {remedy}")
    if path.is_symlink():
        raise disk_error(OSError(errno.EEXIST, ""), path)
    new = path
    while not new.parent.exists() and new.parent != new:
        new = new.parent
    if not new.parent.is_dir():
        raise disk_error(OSError(errno.ENOTDIR, ""), path)
    if not os.access(new.parent, os.W_OK | os.X_OK):
        raise disk_error(OSError(errno.EACCES, ""), new)


def content(path: Path, what: str, size: int = -1) -> bytes:
    """The first `size` bytes of a file, all of them by default. Raises MaskgateError (DiskError
    where the system refuses), which asks for `what` instead."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        why = getattr(error, "strerror", None) or error
        fault = DiskError if isinstance(error, OSError) else MaskgateError
        raise fault(f"{path}: cannot be read ({why}); give {what} that can") from error


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it; nothing is left when it fails.

    Another process that writes the same is waited for. Raises MaskgateError where the disk is full
    or the folder cannot be written.
    """
    try:
        with _taken(path.with_name(f".{path.name}{_PART}")) as beside:
            try:
                write(beside)
                with open(beside, "rb+") as file:
                    os.fsync(file.fileno())
                os.replace(beside, path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise disk_error(error, path) from error


@contextmanager
def _taken(beside: Path) -> Iterator[Path]:
    """The file `beside`, made and empty, for this process alone; what a killed one left of it is
    taken over. No link is followed: the folder may be a stranger's."""
    if sys.platform == "win32":  # where no open file can be renamed
        yield beside
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    while True:
        descriptor = os.open(beside, flags, 0o666)
        try:
            _lock(descriptor)
            if not _is_at(descriptor, beside):
                continue  # its writer has just renamed it
            os.ftruncate(descriptor, 0)
            yield beside
            return
        finally:
            _unlock(descriptor)
            os.close(descriptor)


def _lock(descriptor: int, wait: bool = True) -> None:
    """Raises BlockingIOError where another process has it and is not to be waited for."""
    _flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _unlock(descriptor: int) -> None:
    """For processes too that were forked meanwhile and hold the same descriptor."""
    _flock(descriptor, fcntl.LOCK_UN)


def _flock(descriptor: int, operation: int) -> None:
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def remove_leftovers(*folders: Path) -> None:
    """Remove what killed processes left beside the files of these folders."""
    for left in (path for folder in folders for path in folder.glob(f".*{_PART}")):
        if left.is_symlink() or not left.is_file():
            continue
        with open(left, "rb+") as file:
            try:
                if sys.platform != "win32":
                    _lock(file.fileno(), wait=False)
            except BlockingIOError:  # it is being written
                continue
            left.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether this is what a killed process may leave in a folder before anything of use."""
    return path.name == ".lock" or (path.name.startswith(".") and path.suffix == _PART)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """`folder` to be filled, made with those above it where they are new; if that fails, all that
    was made goes again. Raises MaskgateError where it cannot be made."""
    new: list[Path] = []
    try:
        for each in reversed([folder, *folder.parents]):
            if each.is_dir():
                continue
            try:
                each.mkdir()
                new.insert(0, each)
            except FileExistsError:  # another process was quicker, or it is a file
                if not each.is_dir():
                    raise
    except OSError as error:
        _forget(new)
        raise disk_error(error, folder) from error
    try:
        yield
    except BaseException:
        if folder in new:
            shutil.rmtree(folder, ignore_errors=True)
            _forget(new[1:])
        raise


def _forget(folders: list[Path]) -> None:
    """Remove those of the folders, the innermost first, that are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def replace_text(path: Path, text: str) -> None:
    """Replace the file by UTF-8 `text`; see `printable` for names of files that are not UTF-8."""
    replace(path, lambda beside: beside.write_text(printable(text), encoding="utf-8"))


def outside(names: Iterable[str], root: Path) -> list[bool]:
    """Which names of files, seen from the folder `root`, lead out of it: those with `..`, and
    absolute ones that do not lie in it. Links in the folder are the user's own."""
    roots = [Path(os.path.abspath(root)), Path(os.path.realpath(root))]

    def leaves(name: str) -> bool:
        path = Path(name)
        if ".." in path.parts:
            return True
        return path.is_absolute() and not any(path.is_relative_to(each) for each in roots)

    return [leaves(name) for name in names]


def cache_folder() -> Path:
    """`$MASKGATE_CACHE`, else `maskgate` in the user's cache folder. Raises MaskgateError.

    As https://specifications.freedesktop.org/basedir-spec has it, `$XDG_CACHE_HOME` counts where
    it is an absolute path.
    """
    if own := os.environ.get("MASKGATE_CACHE"):
        return Path(own)
    users = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not users.is_absolute():
        users = _home() / ".cache"
    return users / "maskgate"


def _home() -> Path:
    try:
        home = Path.home()
    except RuntimeError:  # no $HOME, and no entry for the user, as in many a container
        home = Path()
    if not home.is_absolute() or os.environ.get("HOME") == "":  # of which Python makes `/`
        raise MaskgateError(
            "there is no home folder to keep decoded photos in; name a folder with --cache, or"
            " set MASKGATE_CACHE"
        )
    return home


def shipped(kind: str) -> Path:
    """The folder of the `kind` (recipes, systems, corrections) that come with maskgate."""
    package = Path(__file__).parents[1]
    installed, checkout = package / kind, package.parents[1] / kind
    return installed if installed.is_dir() else checkout
