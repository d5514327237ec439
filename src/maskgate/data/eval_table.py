"""Reads the table of the test photos, `info.csv`, with the base install alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.data import column_names, csv_files, names
from maskgate.errors import MaskgateError, listed
from maskgate.imaging import photo_files

IMAGE_ID: Final = "ImageID"

_Column = Sequence[str | None]  # texts of a CSV, None where empty


@dataclass(frozen=True)
class EvalTable:
    """N test photos in the order of `info.csv`, or of their names: their names in the table,
    `image_ids` (N,), and their names on disk, `photos` (N,), in `folder`."""

    folder: Path
    image_ids: list[str]
    photos: list[str]


def find(places: Sequence[Path]) -> EvalTable:
    """The photos to predict: those that the table lists, if `places` is its CSV or the folder of an
    `info.csv`; else the photos in `places`, files or folders, in order of their names.

    A photo's ImageID is then its path below the one folder, or its file name if all differ. Raises
    MaskgateError.
    """
    place = places[0]
    if len(places) == 1 and place.is_file() and place.suffix.lower() == ".csv":
        return _of_csv(place)
    if len(places) == 1 and photo_files.test_table(place) is not None:
        return read(place)
    paths = photo_files.list_photos(places)
    if len(places) == 1 and place.is_dir():
        image_ids = [path.relative_to(place).as_posix() for path in paths]
    else:
        image_ids = [path.name for path in paths]
        if len(set(image_ids)) < len(paths):
            image_ids = [path.as_posix() for path in paths]
    if faults := [name for name in image_ids if not files.is_utf8(name)]:
        raise MaskgateError(f"{place}: {listed([f'{n} ({files.not_utf8(n)})' for n in faults])}")
    photos = dict(zip(image_ids, map(str, paths), strict=True))
    if len(photos) < len(paths):
        raise MaskgateError(f"{listed(_repeated(image_ids))}: given twice; give each photo once")
    return EvalTable(Path(), sorted(photos), [photos[name] for name in sorted(photos)])


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def read(data: Path) -> EvalTable:
    """The test photos that `info.csv` lists.

    `data` is the folder with `info.csv`, or the one above `eval`. Raises MaskgateError.
    """
    return _of_csv(photo_files.find_test_table(data))


def _of_csv(csv: Path) -> EvalTable:
    column = _image_ids(csv_files.read(csv), csv)
    if not column:
        raise MaskgateError(f"{csv}: has no row below its header; list the test photos in it")
    images = csv.parent / "images"
    folder = images if images.is_dir() else csv.parent
    image_ids = [name or "" for name in column]
    outside = files.outside([name.replace("\\", "/") for name in image_ids], folder)
    files_on_disk = names.Files(folder)
    photos = [
        name if is_outside else files_on_disk.find(name)
        for name, is_outside in zip(image_ids, outside, strict=True)
    ]
    errors = [f"row {row} without {IMAGE_ID}" for row, name in enumerate(image_ids, 2) if not name]
    errors += [f"{name} listed twice" for name in _duplicates(image_ids, photos)]
    errors += [
        f"{name} lies outside the folder of the photos"
        for name, is_outside in zip(image_ids, outside, strict=True)
        if is_outside
    ]
    errors += [
        f"{name}: {files.not_utf8(photo)}"
        for name, photo in zip(image_ids, photos, strict=True)
        if not files.is_utf8(photo)
    ]
    if errors:
        raise MaskgateError(f"{csv}: {listed(errors)}; fix the table")
    return EvalTable(folder, image_ids, photos)


def _image_ids(table: Mapping[str, _Column], csv: Path) -> _Column:
    """The column ImageID, under this name or one that is spelled alike, such as `image_id`. One
    with content is preferred. Raises MaskgateError without one, or if several differ."""
    if any(table.get(IMAGE_ID, ())):
        return table[IMAGE_ID]
    known = {IMAGE_ID: ()}
    alike = [name for name in table if column_names.is_name_of(name, IMAGE_ID, known)]
    alike = [name for name in alike if any(table[name])] or alike
    if not alike:
        raise MaskgateError(f"{csv}: lacks the column 'ImageID'; it needs ImageID,ans")
    if IMAGE_ID in alike:  # all are empty
        return table[IMAGE_ID]
    first, *others = (_groups(table[name]) for name in alike)
    if any(other != first for other in others):
        raise MaskgateError(
            f"{csv}: each of the columns {listed(alike)} may be the {IMAGE_ID}; rename the right"
            f" one to {IMAGE_ID}"
        )
    return table[alike[0]]


def _groups(column: _Column) -> list[int]:
    """The number of each row's text among the different texts, −1 where it is empty."""
    numbers: dict[str, int] = {}
    return [-1 if text is None else numbers.setdefault(text, len(numbers)) for text in column]


def _duplicates(image_ids: Sequence[str], photos: Sequence[str]) -> list[str]:
    """The names whose photo is that of an earlier row."""
    earlier: set[str] = set()
    duplicates = []
    for name, photo in zip(image_ids, photos, strict=True):
        if name and photo in earlier:
            duplicates.append(name)
        earlier.add(photo)
    return duplicates
