"""Events as lines: to standard output, and to a file that is rotated."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.core.progress import log
from maskgate.door.events import Event, to_json
from maskgate.errors import MaskgateError, disk_error

if sys.platform != "win32":
    import fcntl

MEGABYTES: Final = 10.0  # at which a new file is begun
KEEP: Final = 5  # full files
_BLOCK: Final = 65_536  # bytes read at once to find the last line end


def check_unused(megabytes: float, keep: int) -> None:
    """Raise MaskgateError if settings of a file are given where events go to none."""
    values = {"--rotate-megabytes": megabytes != MEGABYTES, "--rotate-keep": keep != KEEP}
    for option, is_given in values.items():
        if is_given:
            raise MaskgateError(f"{option} is for --events FILE; give that too, or drop it")


class StandardOutput:
    """Prints each event on a line at once. Raises BrokenPipeError if nobody reads any more."""

    name = "standard output"

    def send(self, event: Event) -> None:
        """Print the event."""
        sys.stdout.write(f"{to_json(event)}\n")
        sys.stdout.flush()

    def close(self, _seconds: float) -> None:
        """Nothing waits."""


class EventFile:
    """Appends events to a file. The lines are on the disk (fsync) when `append` returns.

    A line that would make the file longer than `megabytes` begins a new one: the full one becomes
    `NAME.1`, that one `NAME.2`, up to `keep`, and the oldest is removed. Half a line that a killed
    process or a full disk left is cut off. A file that another program has renamed or removed is
    begun anew. Raises MaskgateError if the file cannot be written or another process writes it.
    """

    def __init__(self, file: Path, megabytes: float = MEGABYTES, keep: int = KEEP) -> None:
        self._file, self._largest, self._keep = file, megabytes * 1_000_000, keep
        self.name = str(file)
        self._descriptor = _open(file)

    def append(self, events: Sequence[str]) -> int:
        """Append the first of some events, JSON on one line each: as many as fit into the present
        file, and at least one. Returns how many. Raises MaskgateError, and then the file is as
        before."""
        try:
            return self._append([f"{event}\n".encode() for event in events])
        except OSError as error:
            raise disk_error(error, self._file) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _append(self, lines: Sequence[bytes]) -> int:
        if not self._is_in_place():
            self._reopen()
        size = os.fstat(self._descriptor).st_size
        if size and size + len(lines[0]) > self._largest:
            self._rotate()
            size = 0
        end, count = size + len(lines[0]), 1
        while count < len(lines) and end + len(lines[count]) <= self._largest:
            end += len(lines[count])
            count += 1
        try:
            rest = b"".join(lines[:count])
            while rest:  # a disk that becomes full takes a part, and then says so
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise
        return count

    def _reopen(self) -> None:
        descriptor = _open(self._file)
        os.close(self._descriptor)
        self._descriptor = descriptor

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._file.stat())
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        names = [self._file, *(_numbered(self._file, each) for each in range(1, self._keep + 1))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                os.replace(newer, older)
        if not self._keep:
            self._file.unlink()
        self._reopen()


def check(file: Path) -> None:
    """Raise MaskgateError if no events can be appended to a file of that name."""
    files.check_target(file)
    if file.exists() and not file.is_file():
        raise MaskgateError(f"{file}: is no file; for standard output write --events -")


def _numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")


def _open(file: Path) -> int:
    """A descriptor of the file, to append to it, after its last whole line. Raises
    MaskgateError."""
    check(file)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise disk_error(error, file) from error
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size, end = os.fstat(descriptor).st_size, _end_of_lines(descriptor)
        if end < size:
            os.ftruncate(descriptor, end)
            log(f"{file}: the last line was not whole and is cut off ({size - end} bytes)")
        if not end:
            files.sync_folder(file.parent)  # the file is new
    except BlockingIOError as error:
        os.close(descriptor)
        raise MaskgateError(
            f"{file}: another maskgate writes to this file; give another --events"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise disk_error(error, file) from error
    return descriptor


def _end_of_lines(descriptor: int) -> int:
    """The length in bytes of the whole lines of a file."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _BLOCK)
        block = os.pread(descriptor, end - start, start)
        if (last := block.rfind(b"\n")) >= 0:
            return start + last + 1
        end = start
    return 0
