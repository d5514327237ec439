"""Names of people, photos and folders: compares their spellings, and finds the files.

macOS writes 김 as three characters (Unicode NFD), Windows and tables as one (NFC); spreadsheets add
white space. Names that differ only in this are equal. A file is opened by its real name.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from maskgate.core.files import in_cp949, is_utf8

_LEADING: Final = re.compile(r"(?<!\d)0+(?=\d)")
_TRAILING: Final = re.compile(r"(?<=\d)\.0+$")  # of an integer that was saved as a float
_MOST_BELOW: Final = 1_000_000  # files that are looked at
_UNTIDY: Final = re.compile(r"//|(^|/)\./|/$")


def normalise(name: str) -> str:
    """The name in Unicode NFC, with single spaces, and no white space around it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def similar(people: Iterable[str]) -> list[list[str]]:
    """Groups of different names that look alike: `Kim` and `kim`, `1`, `001`, `1.0` and `１`.

    Case, leading zeros, a trailing `.0`, the width of characters (Unicode NFKC) and invisible
    characters (category Cf) are ignored.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(people):
        groups.setdefault(_look(name), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _look(name: str) -> str:
    visible = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")
    plain = normalise(unicodedata.normalize("NFKC", visible).casefold())
    return _TRAILING.sub("", _LEADING.sub("", plain))


class Files:
    """Finds the files in a folder by the names in a table."""

    def __init__(self, root: Path) -> None:
        self._root, self._name = root, root.resolve().name
        self._listings: dict[str, dict[str, str]] = {}
        self._folders: dict[str, str | None] = {"": ""}
        self._below: dict[str, str | None] | None = None  # files in folders below, by their names

    def find(self, name: str) -> str:
        """The real path, relative to the root, of the file or folder that a table calls `name`.

        If nothing has exactly this name, other spellings, `\\` for `/` and the root's own name in
        front are tried. If no file is found, the name itself.
        """
        plain = str(PurePosixPath(name)) if _UNTIDY.search(name) else name
        real_path = self._real(plain)
        path = plain
        if real_path is None and "\\" in path:
            path = str(PurePosixPath(path.replace("\\", "/")))
            real_path = self._real(path)
        if real_path is None and self._name and path.startswith(f"{self._name}/"):
            real_path = self._real(path.removeprefix(f"{self._name}/"))
        return plain if real_path is None else real_path

    def find_below(self, name: str) -> str | None:
        """The path, relative to the root, of the file called `name`, without a folder, in a folder
        below the root; None if there is none, or several."""
        if self._below is None:
            self._below = {}
            for path in islice(self._files_below(), _MOST_BELOW):
                self._below[path.name] = None if path.name in self._below else path.as_posix()
        return self._below.get(name)

    def _files_below(self) -> Iterator[Path]:
        for folder, subfolders, names in os.walk(self._root):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            place = Path(folder).relative_to(self._root)
            if place.parts:
                yield from (place / name for name in names)

    def is_there(self, name: str) -> bool:
        """Whether a file or folder has this path, as `find` returns it."""
        return self._real(name) is not None

    def _real(self, path: str) -> str | None:
        head, slash, last = path.rpartition("/")
        folder: str | None = head + slash
        if slash and head:
            if head not in self._folders:
                self._folders[head] = self._real(head)
            parent = self._folders[head]
            folder = None if parent is None else f"{parent}/"
        if folder is None:
            return None
        if last in ("", ".", ".."):
            return folder + last
        listing = self._listing(folder)
        real = last if last in listing else listing.get(f"/{normalise(last)}")
        return folder + real if real else None

    def _listing(self, folder: str) -> dict[str, str]:
        """The names in a folder, by the name itself, and by `/` and the normal form if only one
        name has it; no name contains a `/`."""
        if folder not in self._listings:
            try:
                entries = [path.name for path in (self._root / folder).iterdir()]
            except OSError:  # reading the photo raises the error
                entries = []
            listing = {name: name for name in entries}
            for name in sorted(entries):
                utf8_name = name if is_utf8(name) else in_cp949(name)
                key = f"/{normalise(utf8_name or name)}"
                listing[key] = "" if key in listing else name
            self._listings[folder] = listing
        return self._listings[folder]
