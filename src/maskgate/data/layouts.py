"""Finds out how a data set lies on disk, and has it read."""

from pathlib import Path

import numpy as np
import pandas as pd

from maskgate import files
from maskgate.data import csv_photos, seven_photos, utkface
from maskgate.data.csv_photos import load_csv
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed


def read(data: Path) -> Photos:
    """The labelled photos of `data`: a CSV, a folder with one, seven photos a person, or faces.

    A folder of people may be the one above `train`, `train` itself or its `images`; of faces, the
    names tell the labels. Faults are collected in `problems`. Raises MaskgateError where nothing
    of any kind is found.
    """
    if not data.exists():
        raise MaskgateError(f"{data}: no such file or folder; give the folder of photos or its CSV")
    if data.is_file():
        return csv_photos.read(data)
    for folder in (data, data / "train"):
        for images in (folder, folder / "images"):
            beside = [images / "train.csv", images.parent / "train.csv"]
            csv = next((path for path in beside if path.is_file()), None)
            tabled = images.name == "images" and csv is not None and "path" in _header(csv)
            if seven_photos.holds_people(images) or (images.is_dir() and tabled):
                return seven_photos.read(images, csv)
    tables = [path for path in sorted(data.glob("*.csv")) if "photo" in _header(path)]
    if len(tables) == 1:
        return csv_photos.read(tables[0])
    if tables:
        names = listed([path.name for path in tables])
        raise MaskgateError(f"{data}: holds several tables ({names}); name the one to read")
    if utkface.holds_faces(data):
        return utkface.read(data)
    raise MaskgateError(
        f"{data}: holds neither folders named <id>_<gender>_<race>_<age> with seven photos each"
        " nor a CSV with a column 'photo' nor photos named <age>_<gender>_<race>_<time>; see"
        " docs/data.md for the three layouts"
    )


def _header(path: Path) -> list[str]:
    return [str(name) for name in load_csv(path, rows=0).columns]


def read_eval(data: Path) -> tuple[Path, pd.DataFrame]:
    """Folder of the test photos and `info.csv` as it stands (columns ImageID, ans; text).

    `data` is the folder with `info.csv` or the one above `eval`. Raises MaskgateError.
    """
    csv = test_table(data)
    if csv is None:
        raise MaskgateError(f"{data}: holds no info.csv; give the folder with info.csv and images/")
    rows = load_csv(csv)
    if "ImageID" not in rows.columns:
        raise MaskgateError(f"{csv}: lacks the column 'ImageID'; it needs ImageID,ans")
    blank = np.flatnonzero(rows["ImageID"].isna()) + 2
    twice = rows.loc[rows["ImageID"].duplicated(), "ImageID"].dropna().tolist()
    images = csv.parent / "images"
    images = images if images.is_dir() else csv.parent
    names = rows["ImageID"].dropna().tolist()
    outside = [n for n, out in zip(names, files.outside(names, images), strict=True) if out]
    if len(blank) or twice or outside:
        faults = [f"row {row} without ImageID" for row in blank]
        faults += [f"{name} listed twice" for name in twice]
        faults += [f"{name} lies outside the folder of the photos" for name in outside]
        raise MaskgateError(f"{csv}: {listed(faults)}; mend the table")
    return images, rows


def test_table(data: Path) -> Path | None:
    """The `info.csv` that lists the test photos in `data` or `data/eval`, where there is one."""
    beside = [folder / "info.csv" for folder in (data, data / "eval")]
    return next((path for path in beside if path.is_file()), None)
