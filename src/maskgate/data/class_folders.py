"""Reads a folder of photos for each class, as torchvision's `ImageFolder` does.

The name of a folder gives labels: `with_mask`, `female`, `wear male <30`, or what it is mapped to.
"""

from pathlib import Path

import pandas as pd

from maskgate.data import class_words, labelled_rows
from maskgate.data.label_map import LabelMap, offer
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.imaging import photo_files


def find(data: Path) -> Path | None:
    """The folder with the folders of the classes: `data`, or `train` in it; None without one."""
    for folder in (data / "train", data):
        if folder.is_dir() and any(_photos(place) for place in _classes(folder)):
            return folder
    return None


def _classes(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and each.name[0] != ".")


def _photos(folder: Path) -> list[Path]:
    return photo_files.find_photos(folder).photos


def read(folder: Path, label_map: LabelMap) -> Photos:
    """The photos in the subfolders of `folder`, each as a separate person, and all problems.

    Raises MaskgateError where no subfolder is a class.
    """
    photos_of = {place.name: paths for place in _classes(folder) if (paths := _photos(place))}
    mapped = label_map.words.get("class", {})
    if not any(_is_class(mapped.get(name, name)) for name in photos_of):
        raise MaskgateError(
            f"{folder}: none of its folders has the name of a class"
            f" ({listed(list(photos_of))}); {offer('class', photos_of)}; see docs/data.md for"
            " other layouts"
        )
    rows = [
        (path.relative_to(folder).as_posix(), name)
        for name, paths in photos_of.items()
        for path in paths
    ]
    table = pd.DataFrame(rows, columns=["photo", "class"], dtype="str")
    return labelled_rows.parse(table, folder, folder, label_map)


def _is_class(name: str) -> bool:
    try:
        return bool(class_words.parsed(name))
    except ValueError:
        return False
