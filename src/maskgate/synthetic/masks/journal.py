"""What has been made in a folder, one line a person: what is cut off goes on from there."""

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
    """What is done in the folder `out`: the `lines` by person, those of before and those of now."""

    def __init__(self, out: Path) -> None:
        self.lines: dict[str, dict[str, Any]] = {}
        self._out = out
        self._path = out / _LINES
        if self._path.exists():
            self._read()

    def write(self, line: dict[str, Any]) -> None:
        """Note that a person is done; the line holds their name as `person`."""
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(_text(line))
        except OSError as error:
            raise disk_error(error, self._path) from error
        self.lines[line["person"]] = line

    def keep(self, folders: Mapping[str, str]) -> None:
        """Forget all but these people, whose folders are told, and remove what else `images` holds.

        That is what is drawn anew, and what was left half-made.
        """
        kept = {person: line for person, line in self.lines.items() if person in folders}
        # First the lines: a folder may lack its line, but no line its folder.
        if len(kept) < len(self.lines):
            files.replace_text(self._path, "".join(map(_text, kept.values())))
            self.lines = kept
        wanted = set(folders.values())
        try:
            for folder in (self._out / "images").iterdir():
                if folder.name not in wanted:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise disk_error(error, self._out / "images") from error

    def _read(self) -> None:
        """The whole lines; what was cut off in the middle of one is dropped from the file."""
        text = self._path.read_text(encoding="utf-8", errors="replace")
        whole, newline, rest = text.rpartition("\n")
        if rest:
            files.replace_text(self._path, whole + newline)
        lines = [json.loads(line) for line in whole.splitlines() if line]
        self.lines = {line["person"]: line for line in lines}


@contextmanager
def opened(out: Path, made_from: dict[str, Any]) -> Iterator[Journal]:
    """The journal of folder `out`, which is made, or taken up where it was left.

    Raises MaskgateError as `check` does, and where the folder is being written to.
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
        yield _begun(out, made_from)
    finally:
        lock.release()


def _begun(out: Path, made_from: dict[str, Any]) -> Journal:
    """The journal, once the lock is held; killed in here, the same command goes on."""
    check(out, made_from)
    try:
        files.remove_leftovers(out)
        # Before all else, so that a folder that holds anything tells what it was made from.
        files.replace_text(out / MADE_FROM, json.dumps(made_from, indent=1) + "\n")
        (out / "images").mkdir(exist_ok=True)
        return Journal(out)
    except OSError as error:
        raise disk_error(error, out) from error


def check(out: Path, made_from: dict[str, Any]) -> None:
    """Raise MaskgateError where `out` was made from something else, or holds other files."""
    files.check_folder(out)
    if not out.exists():
        return
    try:
        before = json.loads((out / MADE_FROM).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict):
        # Killed before it was written, there are the lock and half of it at the most.
        if all(path.name == _LOCK or files.is_leftover(path) for path in out.iterdir()):
            return
        raise MaskgateError(f"{out}: holds other files; name an empty or a new folder")
    other = [key for key, value in made_from.items() if before.get(key) != value]
    if other:
        told = ", ".join(other)
        raise MaskgateError(
            f"{out}: was made with another {told}; repeat that command, or name another folder"
        )


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"
