"""Which files are photos, by their names, and how folders are searched for them."""

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
    """Raise MaskgateError where there is no data set of that name."""
    files.check_name(Path(os.path.abspath(data)))
    if not data.exists():
        raise MaskgateError(f"{data}: no such file or folder; give the folder of photos or its CSV")


def check_photos(places: Iterable[str]) -> None:
    """Raise MaskgateError for a photo or folder of photos that is not there; addresses are not
    asked."""
    for place in places:
        if not is_address(place) and not Path(place).exists():
            raise MaskgateError(f"{place}: no such photo or folder; mend the path")


def test_table(data: Path) -> Path | None:
    """The `info.csv` that lists the test photos in `data` or `data/eval`, where there is one."""
    beside = [folder / "info.csv" for folder in (data, data / "eval")]
    return next((path for path in beside if path.is_file()), None)


def find_test_table(data: Path) -> Path:
    """As `test_table`; raises MaskgateError where there is none."""
    csv = test_table(data)
    if csv is None:
        raise MaskgateError(f"{data}: holds no info.csv; give the folder with info.csv and images/")
    return csv


def is_address(place: str) -> bool:
    """Whether it names a bucket or the like, and no path of this machine."""
    return re.match(r"[a-z][a-z0-9+.-]+://", place) is not None


def has_photo_suffix(name: str) -> bool:
    """Whether a file of that name is taken for a photo, be it hidden or not."""
    return PurePath(name).suffix.lower() in SUFFIXES


def is_photo(path: Path) -> bool:
    """Whether there is a file, or a link to one, that is named like a photo and not hidden."""
    return path.name[0] != "." and has_photo_suffix(path.name) and _mode(path, stat.S_ISREG)


def file_kind(name: str) -> str:
    """What kind of file is passed over: its suffix, or that it is hidden."""
    if name.startswith("."):
        return HIDDEN
    return PurePath(name).suffix.lower() or "without a suffix"


@dataclass
class FolderPhotos:
    """The photos in a folder and below, sorted, and how many files of each kind are none."""

    photos: list[Path] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def find_photos(folder: Path) -> FolderPhotos:
    """All photos in `folder` and the folders in it, links included; each folder is read once.

    Hidden files and folders are passed over, as is what is no file.
    """
    result = FolderPhotos()
    seen = set[tuple[int, int]]()
    folders, links = [folder], list[Path]()
    while folders or links:
        # Links come last: what is linked to and lies here as well is called by its own name.
        place = folders.pop() if folders else links.pop(0)
        try:
            identity = _identity(place)
            if place != folder and identity in seen:
                result.skipped["linked again"] += 1
                continue
            seen.add(identity)
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            result.skipped["unreadable folder"] += 1
            continue
        for entry in entries:
            path = place / entry.name
            if entry.name.startswith("."):
                result.skipped[HIDDEN] += 1
            elif entry.is_symlink() and _mode(path, stat.S_ISDIR):
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif is_photo(path):
                result.photos.append(path)
            else:
                result.skipped[file_kind(entry.name) if _mode(path, stat.S_ISREG) else NO_FILE] += 1
    result.photos.sort()
    return result


def _mode(path: Path, of: Callable[[int], bool]) -> bool:
    """Whether what is there, or linked to, is of that kind; False where it cannot be looked at."""
    try:
        return of(path.stat().st_mode)
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def skipped_sentence(skipped: Mapping[str, int]) -> str:
    """What was passed over, in one sentence; empty where nothing was."""
    if not skipped:
        return ""
    counts = [
        f"{count:,} {name}{_remedy(name)}"
        for name, count in sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    ]
    total = sum(skipped.values())
    return (
        f"passed over {total:,} that {'is' if total == 1 else 'are'} no photo: {', '.join(counts)}"
    )


def _remedy(name: str) -> str:
    return f" (read after {extras.install('heic')})" if name in _HEIC else ""


def list_photos(paths: Iterable[Path]) -> list[Path]:
    """The photos named, and those in the folders named; says what else these hold.

    Raises MaskgateError for a missing one.
    """
    paths = list(paths)
    found: list[Path] = []
    skipped = Counter[str]()
    check_photos(map(str, paths))
    for path in paths:
        if path.is_dir():
            inside = find_photos(path)
            found += inside.photos
            skipped += inside.skipped
        elif path.is_file():
            found.append(path)
        else:
            raise MaskgateError(
                f"{path}: a pipe, socket or device, and no file; copy the photo into a file"
            )
    if not found:
        raise no_photos_error([str(path) for path in paths], skipped)
    if skipped:
        say(skipped_sentence(skipped))
    return found


def no_photos_error(places: list[str], skipped: Mapping[str, int]) -> MaskgateError:
    """The fault of places that hold no photo, but other files perhaps."""
    known = ", ".join(sorted(SUFFIXES))
    others = f"; {skipped_sentence(skipped)}" if skipped else ""
    return MaskgateError(f"{listed(places)}: holds no photo; photos end in {known}{others}")
