"""Names of people, photos and folders: which spellings are one name, and where its file lies.

macOS writes 김 as three characters (Unicode NFD), Windows and tables as one (NFC); spreadsheets add
white space. Names that differ in nothing else are one name. A file is opened by its real name.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from maskgate.core.files import in_cp949, is_utf8

_LEADING: Final = re.compile(r"(?<!\d)0+(?=\d)")
_TRAILING: Final = re.compile(r"(?<=\d)\.0+$")  # of a whole number that was saved as a fraction
_UNTIDY: Final = re.compile(r"//|(^|/)\./|/$")


def normalise(name: str) -> str:
    """The name in Unicode NFC, each run of white space one space, none around it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def similar(people: Iterable[str]) -> list[list[str]]:
    """Groups of different names that look alike: `Kim` and `kim`, `1`, `001`, `1.0` and `１`.

    Case, leading zeros, a trailing `.0`, the width of characters (Unicode NFKC) and invisible ones
    (category Cf) do not count.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(people):
        groups.setdefault(_look(name), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _look(name: str) -> str:
    seen = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")
    plain = normalise(unicodedata.normalize("NFKC", seen).casefold())
    return _TRAILING.sub("", _LEADING.sub("", plain))


class Files:
    """What lies below a folder, by the names that a table gives."""

    def __init__(self, root: Path) -> None:
        self._root, self._name = root, root.resolve().name
        self._listings: dict[str, dict[str, str]] = {}
        self._folders: dict[str, str | None] = {"": ""}

    def find(self, name: str) -> str:
        """The real path, relative to the root, of the file or folder that a table calls `name`.

        Another spelling, `\\` for `/`, and the root's own name in front are read where nothing is
        called `name` itself. The name as it stands where no such file is there.
        """
        plain = str(PurePosixPath(name)) if _UNTIDY.search(name) else name
        real = self._real(plain)
        path = plain
        if real is None and "\\" in path:
            path = str(PurePosixPath(path.replace("\\", "/")))
            real = self._real(path)
        if real is None and self._name and path.startswith(f"{self._name}/"):
            real = self._real(path.removeprefix(f"{self._name}/"))
        return plain if real is None else real

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
        """The names in a folder, each under itself, and under `/` and its normal form, if that is
        of a single one: no name holds a `/`."""
        if folder not in self._listings:
            try:
                there = [path.name for path in (self._root / folder).iterdir()]
            except OSError:  # reading the photo tells why
                there = []
            listing = {name: name for name in there}
            for name in sorted(there):
                read = name if is_utf8(name) else in_cp949(name)
                key = f"/{normalise(read or name)}"
                listing[key] = "" if key in listing else name
            self._listings[folder] = listing
        return self._listings[folder]
