"""Recognises photos by their file names, and searches folders for them."""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

from maskgate.core import extras, files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.imaging.decoding import isolated

_HEIC: Final = frozenset({".heic", ".heif", ".hif"})
SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"}
) | (_HEIC if isolated.reads_heic() else frozenset())

HIDDEN: Final = "hidden"
NO_FILE: Final = "no file that can be read"  # a broken link, a pipe


def check_data(data: Path) -> None:
    """Raise MaskgateError if there is no such data set."""
    files.check_name(Path(os.path.abspath(data)))
    if not data.exists():
        raise MaskgateError(f"{data}: no such file or folder; give the folder of photos or its CSV")


def check_photos(places: Iterable[str]) -> None:
    """Raise MaskgateError for a photo or folder of photos that is missing, or neither a file nor a
    folder; addresses are not checked."""
    for place in places:
        if is_address(place):
            continue
        path = Path(place)
        if not path.exists():
            raise MaskgateError(f"{place}: no such photo or folder; fix the path")
        if not path.is_dir() and not path.is_file():
            raise MaskgateError(
                f"{place}: a pipe, socket or device, not a file; copy the photo into a file"
            )


def test_table(data: Path) -> Path | None:
    """The `info.csv` that lists the test photos, in `data` or `data/eval`; None without one."""
    candidates = [folder / "info.csv" for folder in (data, data / "eval")]
    return next((path for path in candidates if path.is_file()), None)


def find_test_table(data: Path) -> Path:
    """The same as `test_table`, but raises MaskgateError without one."""
    csv = test_table(data)
    if csv is None:
        raise MaskgateError(f"{data}: no info.csv in it; give the folder with info.csv and images/")
    return csv


def is_address(place: str) -> bool:
    """Whether `place` is an address such as a bucket's, and not a path on this machine."""
    return re.match(r"[a-z][a-z0-9+.-]+://", place) is not None


def has_photo_suffix(name: str) -> bool:
    """Whether a file of that name is a photo by its suffix; it may be hidden."""
    return PurePath(name).suffix.lower() in SUFFIXES


def is_photo(path: Path) -> bool:
    """Whether `path` is a file, or a link to one, with a photo's suffix, and not hidden."""
    return path.name[0] != "." and has_photo_suffix(path.name) and _has_mode(path, stat.S_ISREG)


def file_kind(name: str) -> str:
    """The kind under which a skipped file is counted: its suffix, or HIDDEN."""
    if name.startswith("."):
        return HIDDEN
    return PurePath(name).suffix.lower() or "without a suffix"


@dataclass
class FolderPhotos:
    """The photos in a folder and its subfolders, sorted; `skipped` counts other files by kind."""

    photos: list[Path] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def find_photos(folder: Path) -> FolderPhotos:
    """All photos in `folder` and its subfolders, links included; each folder is read once.

    Hidden files and folders are skipped, and so is anything that is not a file.
    """
    folder_photos = FolderPhotos()
    visited = set[tuple[int, int]]()
    folders, links = [folder], list[Path]()
    while folders or links:
        # Links come last: a folder that is also linked to is listed under its own name.
        place = folders.pop() if folders else links.pop(0)
        try:
            identity = _identity(place)
            if place != folder and identity in visited:
                folder_photos.skipped["linked again"] += 1
                continue
            visited.add(identity)
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            folder_photos.skipped["unreadable folder"] += 1
            continue
        for entry in entries:
            path = place / entry.name
            if entry.name.startswith("."):
                folder_photos.skipped[HIDDEN] += 1
            elif entry.is_symlink() and _has_mode(path, stat.S_ISDIR):
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif is_photo(path):
                folder_photos.photos.append(path)
            else:
                folder_photos.skipped[
                    file_kind(entry.name) if _has_mode(path, stat.S_ISREG) else NO_FILE
                ] += 1
    folder_photos.photos.sort()
    return folder_photos


def _has_mode(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether the file's mode is of that kind, links followed; False if it cannot be read."""
    try:
        return is_kind(path.stat().st_mode)
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def skipped_sentence(skipped: Mapping[str, int]) -> str:
    """One sentence on the skipped files; empty if there are none."""
    if not skipped:
        return ""
    counts = [
        f"{count:,} {name}{_remedy(name)}"
        for name, count in sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    ]
    total = sum(skipped.values())
    return f"skipped {total:,} other file{'' if total == 1 else 's'}: {', '.join(counts)}"


def _remedy(name: str) -> str:
    return f" (read after {extras.install('heic')})" if name in _HEIC else ""


def list_photos(paths: Iterable[Path]) -> list[Path]:
    """The given photos, and those in the given folders; prints how many other files are skipped.

    Raises MaskgateError for a missing one, and if there is no photo.
    """
    paths = list(paths)
    photos: list[Path] = []
    skipped = Counter[str]()
    check_photos(map(str, paths))
    for path in paths:
        if path.is_dir():
            inside = find_photos(path)
            photos += inside.photos
            skipped += inside.skipped
        else:
            photos.append(path)
    if not photos:
        raise no_photos_error([str(path) for path in paths], skipped)
    if skipped:
        say(skipped_sentence(skipped))
    return photos


def no_photos_error(places: list[str], skipped: Mapping[str, int]) -> MaskgateError:
    """The error for places without a photo; it mentions the skipped files."""
    known = ", ".join(sorted(SUFFIXES))
    others = f"; {skipped_sentence(skipped)}" if skipped else ""
    return MaskgateError(f"{listed(places)}: no photo in it; photos end in {known}{others}")
