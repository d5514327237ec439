"""Finds out how a data set lies on disk, and has it read."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate.core import files
from maskgate.data import columns, csv_files, csv_photos, names, seven_photos, utkface
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.imaging import photo_files

_TABLES: Final = (".csv", ".tsv")


def read(data: Path) -> Photos:
    """The labelled photos of `data`: a CSV, a folder with one, seven photos a person, or faces.

    A folder of people may be the one above `train`, `train` itself or its `images`; of faces, the
    names tell the labels. Faults are collected in `problems`. Raises MaskgateError where nothing
    of any kind is found.
    """
    photo_files.check_data(data)
    if data.is_file():
        return csv_photos.read(data)
    for folder in (data, data / "train"):
        for images in (folder, folder / "images"):
            beside = [images / "train.csv", images.parent / "train.csv"]
            csv = next((path for path in beside if path.is_file()), None)
            tabled = images.name == "images" and csv is not None and _lists_people(csv)
            if seven_photos.holds_people(images) or (images.is_dir() and tabled):
                return seven_photos.read(images, csv)
    tables, others = _tables(data)
    if len(tables) == 1:
        return csv_photos.read(tables[0])
    if tables:
        several = listed([path.name for path in tables])
        raise MaskgateError(f"{data}: holds several tables ({several}); name the one to read")
    if utkface.holds_faces(data):
        return utkface.read(data)
    if others:
        raise others[0]
    raise MaskgateError(
        f"{data}: holds neither folders named <id>_<gender>_<race>_<age> with seven photos each"
        " nor a CSV with a column 'photo' nor photos named <age>_<gender>_<race>_<time>; see"
        " docs/data.md for the three layouts"
    )


def _lists_people(csv: Path) -> bool:
    """Whether it gives folders of people, and no masks, which the names of photos tell."""
    header = csv_files.header(csv)
    of_photos = "photo" in header or columns.has(header, "mask", columns.PHOTOS)
    return columns.has(header, "path", columns.PEOPLE) and not of_photos


def _tables(folder: Path) -> tuple[list[Path], list[MaskgateError]]:
    """The tables of labelled photos in a folder, and why others cannot be read."""
    tables = []
    faults = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _TABLES or path.name.startswith(".") or not path.is_file():
            continue
        try:
            header = csv_files.header(path)
            csv_photos.check_labels(path, header)
        except MaskgateError as error:  # notes beside the table are no reason to stop
            faults.append(error)
            continue
        if csv_photos.is_table(header):
            tables.append(path)
    return tables, faults


def read_eval(data: Path) -> tuple[Path, pd.DataFrame]:
    """Folder of the test photos and `info.csv` as it stands (columns ImageID, ans; text), with the
    column `photo`: the names of the photos on disk.

    `data` is the folder with `info.csv` or the one above `eval`. Raises MaskgateError.
    """
    csv = photo_files.find_test_table(data)
    rows, _ = columns.renamed(csv_files.load(csv), columns.TESTS, csv)
    if "ImageID" not in rows.columns:
        raise MaskgateError(f"{csv}: lacks the column 'ImageID'; it needs ImageID,ans")
    if not len(rows):
        raise MaskgateError(f"{csv}: has no row below its header; list the test photos in it")
    images = csv.parent / "images"
    folder = images if images.is_dir() else csv.parent
    given = rows["ImageID"].fillna("")
    outside = files.outside(given.str.replace("\\", "/"), folder)
    there = names.Files(folder)
    found = [name if out else there.find(name) for name, out in zip(given, outside, strict=True)]
    photos = pd.Series(found, dtype=object)
    blank = np.flatnonzero(rows["ImageID"].isna()) + 2
    twice = rows.loc[photos.duplicated() & rows["ImageID"].notna(), "ImageID"].tolist()
    faults = [f"row {row} without ImageID" for row in blank]
    faults += [f"{name} listed twice" for name in twice]
    faults += [
        f"{name} lies outside the folder of the photos"
        for name, out in zip(given, outside, strict=True)
        if out
    ]
    faults += [
        f"{name}: {files.not_utf8(photo)}"
        for name, photo in zip(rows["ImageID"], photos, strict=True)
        if not files.is_utf8(photo)
    ]
    if faults:
        raise MaskgateError(f"{csv}: {listed(faults)}; mend the table")
    return folder, rows.assign(photo=photos.astype("str"))
