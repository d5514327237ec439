"""Writes files atomically: to a temporary file in the same folder, which is then renamed.

A killed process may leave the temporary file `.NAME.part`; the next write of the file replaces it.
If a command fails, the folder that it created is removed.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from maskgate.errors import DiskError, MaskgateError, disk_error, printable

_KOREAN_WINDOWS: Final = "cp949"


def is_utf8(name: str) -> bool:
    """Whether a name on disk is UTF-8; other names cannot be written into files."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def in_cp949(name: str) -> str | None:
    """A name on disk that is not UTF-8, decoded as CP949 (Korean Windows); None if that fails."""
    try:
        return os.fsencode(name).decode(_KOREAN_WINDOWS)
    except UnicodeError:
        return None


def not_utf8(name: str) -> str:
    """Why a file or folder of that name cannot be used."""
    return f"its name on disk is not UTF-8{_cp949_hint(name)}; rename it"


def check_name(path: Path) -> None:
    """Raise MaskgateError if a name in `path` is not UTF-8 and so cannot be written into files."""
    for name in path.parts:
        if not is_utf8(name):
            raise MaskgateError(
                f"{path}: the name {name} is not UTF-8{_cp949_hint(name)}; rename it"
            )


def _cp949_hint(name: str) -> str:
    decoded = in_cp949(name)
    return "" if decoded is None else f", in CP949 it reads {decoded}"


if sys.platform != "win32":
    import fcntl

_PART: Final = ".part"
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EBADF)  # of some file systems


def stamp(path: str | Path) -> str:
    """Size, modification times and inode: if they are the same, so is the content.

    A file replaced by one of the same size and time has another inode. A file written in place has
    another ctime, which programs cannot set. Raises OSError.
    """
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def check_target(path: Path) -> None:
    """Raise MaskgateError if no file can be written to `path`; called before the work."""
    check_name(path)
    if path.is_dir():
        raise MaskgateError(f"{path}: is a folder; name a file to write")
    if not path.parent.is_dir():
        raise MaskgateError(f"{path}: the folder {path.parent} does not exist; make it first")


def check_folder(path: Path, remedy: str = "name a folder") -> None:
    """Raise MaskgateError if `path` cannot become a folder; called before the work. `remedy` is
    what the message suggests if it is a file."""
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


def check_new(*paths: Path) -> None:
    """Raise MaskgateError if one of the files that a command will write exists; called before the
    work."""
    for path in paths:
        if path.exists():
            raise MaskgateError(f"{path}: exists already; name another --out, or remove it")


def free(folder: Path) -> Path:
    """`folder`, or where it exists the first of `folder-2`, `folder-3` … that does not."""
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], numbered) if not os.path.lexists(path))


def content(path: Path, what: str, size: int = -1) -> bytes:
    """The first `size` bytes of a file, by default all. Raises MaskgateError (DiskError if the
    system refuses), which asks for `what` instead."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except (OSError, ValueError) as error:  # ValueError: an impossible path
        reason = getattr(error, "strerror", None) or error
        error_class = DiskError if isinstance(error, OSError) else MaskgateError
        raise error_class(f"{path}: cannot be read ({reason}); give {what} that can") from error


def sync_folder(folder: Path) -> None:
    """Have the names of the files in a folder on the disk. Raises OSError."""
    if sys.platform == "win32":
        return  # has no such call
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`; a failure leaves nothing.

    Waits for another process that writes the same file. Raises MaskgateError if the disk is full or
    the folder cannot be written.
    """
    try:
        with _locked_file(path.with_name(f".{path.name}{_PART}")) as temporary:
            try:
                write(temporary)
                with open(temporary, "rb+") as file:
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise disk_error(error, path) from error


def replace_private(path: Path, content: bytes) -> None:
    """As `replace`, for secrets: only the user may read the file, and the folder if it is new."""

    def write(temporary: Path) -> None:
        temporary.chmod(0o600)
        temporary.write_bytes(content)

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    replace(path, write)


@contextmanager
def _locked_file(path: Path) -> Iterator[Path]:
    """Create or empty the file at `path`, and lock it for this process; a leftover of a killed
    process is reused. Links are not followed: the folder may come from a stranger."""
    if sys.platform == "win32":  # an open file cannot be renamed
        yield path
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    while True:
        descriptor = os.open(path, flags, 0o666)
        try:
            _lock(descriptor)
            if not _is_at(descriptor, path):
                continue  # another process has just renamed it
            os.ftruncate(descriptor, 0)
            yield path
            return
        finally:
            _unlock(descriptor)
            os.close(descriptor)


def _lock(descriptor: int, wait: bool = True) -> None:
    """Lock the file. Raises BlockingIOError if another process has it and not `wait`."""
    _flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _unlock(descriptor: int) -> None:
    """Unlock the file, also for forked processes that share the descriptor."""
    _flock(descriptor, fcntl.LOCK_UN)


def _flock(descriptor: int, operation: int) -> None:
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), status)


def remove_leftovers(*folders: Path) -> None:
    """Remove the temporary files that killed processes left in these folders."""
    for leftover in (path for folder in folders for path in folder.glob(f".*{_PART}")):
        if leftover.is_symlink() or not leftover.is_file():
            continue
        with open(leftover, "rb+") as file:
            try:
                if sys.platform != "win32":
                    _lock(file.fileno(), wait=False)
            except BlockingIOError:  # a process is writing it
                continue
            leftover.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether this is a lock or a temporary file that a killed process may leave."""
    return path.name == ".lock" or (path.name.startswith(".") and path.suffix == _PART)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Create `folder` and its missing parents, as a context; if its body fails, remove all that was
    created. Raises MaskgateError if the folder cannot be created."""
    created: list[Path] = []
    try:
        for each in reversed([folder, *folder.parents]):
            if each.is_dir():
                continue
            try:
                each.mkdir()
                created.insert(0, each)
            except FileExistsError:  # another process was faster, or it is a file
                if not each.is_dir():
                    raise
    except OSError as error:
        _remove_empty(created)
        raise disk_error(error, folder) from error
    try:
        yield
    except BaseException:
        if folder in created:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_empty(created[1:])
        raise


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out`, as a context, whose body renames it to `out` when it is
    complete; else it is removed. Missing parents of `out` are created, and removed if the body
    fails. Raises MaskgateError for an error of the disk."""
    with new_folder(out.parent):
        try:
            folder = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        except OSError as error:
            raise disk_error(error, out) from error
        try:
            folder.chmod(0o755)
            yield folder
        except OSError as error:
            raise disk_error(error, out) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders, innermost first, until one is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def replace_text(path: Path, text: str) -> None:
    """Replace the file by `text` in UTF-8; see `printable` for file names that are not UTF-8."""
    replace(path, lambda temporary: temporary.write_text(printable(text), encoding="utf-8"))


def outside(names: Iterable[str], root: Path) -> list[bool]:
    """Which file names, relative to the folder `root`, lead out of it: those with `..`, and
    absolute ones outside it. Links inside the folder are allowed."""
    roots = [Path(os.path.abspath(root)), Path(os.path.realpath(root))]

    def leaves(name: str) -> bool:
        path = Path(name)
        if ".." in path.parts:
            return True
        return path.is_absolute() and not any(path.is_relative_to(each) for each in roots)

    return [leaves(name) for name in names]


def cache_folder() -> Path:
    """`$MASKGATE_CACHE`, else `maskgate` in the user's cache folder. Raises MaskgateError.

    As in https://specifications.freedesktop.org/basedir-spec, `$XDG_CACHE_HOME` is used if it is an
    absolute path.
    """
    if folder := os.environ.get("MASKGATE_CACHE"):
        return Path(folder)
    user_cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not user_cache.is_absolute():
        user_cache = _home() / ".cache"
    return user_cache / "maskgate"


def _home() -> Path:
    try:
        home = Path.home()
    except RuntimeError:  # no $HOME, and no entry for the user, as in many containers
        home = Path()
    if not home.is_absolute() or os.environ.get("HOME") == "":  # Python reads it as `/`
        raise MaskgateError(
            "there is no home folder to keep decoded photos in; name a folder with --cache, or"
            " set MASKGATE_CACHE"
        )
    return home


def shipped(kind: str) -> Path:
    """The folder of files of that `kind` (recipes, systems, corrections) shipped with maskgate."""
    package = Path(__file__).parents[1]
    installed, checkout = package / kind, package.parents[1] / kind
    return installed if installed.is_dir() else checkout
