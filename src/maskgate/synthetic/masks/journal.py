"""The journal of a folder of drawn people, one line per person, from which a command resumes."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from maskgate.core import files
from maskgate.errors import MaskgateError, disk_error

MADE_FROM: Final = "wear.json"
_LINES: Final = ".made.jsonl"
_LOCK: Final = ".lock"


class Journal:
    """The finished people in the folder `out`: `lines` by person, of earlier runs and this one."""

    def __init__(self, out: Path) -> None:
        self.lines: dict[str, dict[str, Any]] = {}
        self._out = out
        self._path = out / _LINES
        if self._path.exists():
            self._read()

    def write(self, line: dict[str, Any]) -> None:
        """Record that a person is finished; the line has their name as `person`."""
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(_text(line))
        except OSError as error:
            raise disk_error(error, self._path) from error
        self.lines[line["person"]] = line

    def keep(self, folders: Mapping[str, str]) -> None:
        """Keep only the lines of these people, whose `folders` are given by name, and remove other
        folders in `images`, which are unfinished or will be drawn again.
        """
        kept = {person: line for person, line in self.lines.items() if person in folders}
        # The lines first: there may be a folder without a line, but no line without a folder.
        if len(kept) < len(self.lines):
            files.replace_text(self._path, "".join(map(_text, kept.values())))
            self.lines = kept
        kept_folders = set(folders.values())
        try:
            for folder in (self._out / "images").iterdir():
                if folder.name not in kept_folders:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise disk_error(error, self._out / "images") from error

    def _read(self) -> None:
        """Read the complete lines; an incomplete last line is removed from the file."""
        text = self._path.read_text(encoding="utf-8", errors="replace")
        complete_lines, newline, rest = text.rpartition("\n")
        if rest:
            files.replace_text(self._path, complete_lines + newline)
        lines = [json.loads(line) for line in complete_lines.splitlines() if line]
        self.lines = {line["person"]: line for line in lines}


@contextmanager
def open_journal(out: Path, made_from: dict[str, Any]) -> Iterator[Journal]:
    """Open the journal of folder `out`, new or existing, with the folder locked.

    Raises MaskgateError as `check` does, and if another command writes to the folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / _LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise MaskgateError(
            f"{out}: is being written to by another command; wait for it, or name another folder"
        ) from None
    except OSError as error:
        raise disk_error(error, out) from error
    try:
        yield _start(out, made_from)
    finally:
        lock.release()


def _start(out: Path, made_from: dict[str, Any]) -> Journal:
    """The journal, after the folder is locked; a command killed in here can be resumed."""
    check(out, made_from)
    try:
        files.remove_leftovers(out)
        # Written first, so that a folder with any content says what it was made from.
        files.replace_text(out / MADE_FROM, json.dumps(made_from, indent=1) + "\n")
        (out / "images").mkdir(exist_ok=True)
        return Journal(out)
    except OSError as error:
        raise disk_error(error, out) from error


def check(out: Path, made_from: dict[str, Any]) -> None:
    """Raise MaskgateError if `out` was made from something else, or has other files."""
    files.check_folder(out)
    if not out.exists():
        return
    try:
        previous = json.loads((out / MADE_FROM).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        previous = None
    if not isinstance(previous, dict):
        # A command killed before this file was written leaves only the lock and a temporary file.
        if all(path.name == _LOCK or files.is_leftover(path) for path in out.iterdir()):
            return
        raise MaskgateError(f"{out}: it has other files; name an empty or a new folder")
    other = [key for key, value in made_from.items() if previous.get(key) != value]
    if other:
        different = ", ".join(other)
        raise MaskgateError(
            f"{out}: was made with another {different}; repeat that command, or name another folder"
        )


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"
