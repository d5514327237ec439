"""What has been made in a folder, one line a person: what is cut off goes on from there."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from filelock import FileLock, Timeout

from maskgate import files
from maskgate.errors import MaskgateError, of_disk

MADE_FROM: Final = "wear.json"
_LINES: Final = ".made.jsonl"


class Journal:
    """The `lines` by person, those of before and those written now."""

    def __init__(self, file: TextIO, lines: dict[str, dict[str, Any]]) -> None:
        self._file = file
        self.lines = lines

    def write(self, line: dict[str, Any]) -> None:
        """Note that a person is done; the line holds their name as `person`."""
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        self.lines[line["person"]] = line


@contextmanager
def opened(out: Path, made_from: dict[str, Any]) -> Iterator[Journal]:
    """The journal of folder `out`, which is made, or taken up where it was left.

    Raises MaskgateError where it was made from something else than `made_from`, holds other
    files, or is being written to.
    """
    files.check_folder(out)
    _check(out, made_from)
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_disk(error, out) from error
    try:
        with FileLock(out / ".lock", timeout=0):
            files.replace_text(out / MADE_FROM, json.dumps(made_from, indent=1) + "\n")
            for part in (out / "images").glob(".*.part"):
                shutil.rmtree(part, ignore_errors=True)
            lines = _lines(out)
            with open(out / _LINES, "a", encoding="utf-8") as file:
                yield Journal(file, lines)
    except Timeout:
        raise MaskgateError(
            f"{out}: is being written to by another command; wait for it, or name another folder"
        ) from None


def _check(out: Path, made_from: dict[str, Any]) -> None:
    if not out.exists() or not any(out.iterdir()):
        return
    try:
        before = json.loads((out / MADE_FROM).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict):
        raise MaskgateError(f"{out}: holds other files; name an empty or a new folder")
    other = [key for key, value in made_from.items() if before.get(key) != value]
    if other:
        told = ", ".join(other)
        raise MaskgateError(
            f"{out}: was made with another {told}; repeat that command, or name another folder"
        )


def _lines(out: Path) -> dict[str, dict[str, Any]]:
    """The whole lines; what was cut off in the middle of one is dropped from the file."""
    path = out / _LINES
    if not path.exists():
        return {}
    whole, newline, rest = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    if rest:
        files.replace_text(path, whole + newline)
    lines = [json.loads(line) for line in whole.splitlines() if line]
    return {line["person"]: line for line in lines}
