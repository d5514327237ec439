"""Detects the layout of a data set on disk, and reads it."""

from pathlib import Path
from typing import Final

import pandas as pd

from maskgate.data import (
    class_folders,
    columns,
    csv_files,
    csv_photos,
    eval_table,
    picture_tables,
    seven_photos,
    utkface,
)
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.imaging import photo_files

_TABLES: Final = (".csv", ".tsv")
_OF_PHOTOS: Final = {"photo", "mask", "class"}  # columns that tables of people do not have


def read(data: Path, label_map: LabelMap = NO_MAP, cache: Path | None = None) -> Photos:
    """The labelled photos of `data`: the competition's folders of seven photos per person; a table
    of photos, which is a CSV or has the pictures in it (Parquet, Arrow); faces with UTKFace's file
    names; or a folder per class.

    A folder of people may be the one above `train`, `train` itself or its `images`. The `label_map`
    names columns and maps words. Pictures in tables are written into `cache`, by default that of
    `files.cache_folder`. Problems are collected in `problems`. Raises MaskgateError if no layout is
    recognised.
    """
    photo_files.check_data(data)
    if data.is_file():
        if data.suffix.lower() in picture_tables.SUFFIXES:
            return picture_tables.read([data], data.parent, label_map, cache)
        return csv_photos.read(data, label_map)
    if not label_map.columns.keys() & _OF_PHOTOS:
        for folder in (data, data / "train"):
            for images in (folder, folder / "images"):
                csv_candidates = [images / "train.csv", images.parent / "train.csv"]
                csv = next((path for path in csv_candidates if path.is_file()), None)
                is_in_table = images.name == "images" and csv is not None and _lists_people(csv)
                if seven_photos.holds_people(images) or (images.is_dir() and is_in_table):
                    return seven_photos.read(images, csv, label_map)
    if shards := picture_tables.data_set(data):
        return picture_tables.read(shards, data, label_map, cache)
    tables, table_errors = _tables(data, label_map)
    if len(tables) == 1:
        return csv_photos.read(tables[0], label_map)
    if tables:
        table_names = listed([path.name for path in tables])
        raise MaskgateError(
            f"{data}: several tables are in it ({table_names}); name the one to read"
        )
    if shards := picture_tables.parquet_files(data, label_map):
        return picture_tables.read(shards, data, label_map, cache)
    if utkface.holds_faces(data):
        if label_map:
            raise MaskgateError(f"{data}: has no table with columns or words; leave out --map")
        return utkface.read(data)
    if table_errors:
        raise table_errors[0]
    if (classes := class_folders.find(data)) is not None:
        return class_folders.read(classes, label_map)
    raise MaskgateError(
        f"{data}: has neither folders named <id>_<gender>_<race>_<age> with seven photos each"
        " nor a CSV or Parquet file with a column 'photo' nor photos named"
        " <age>_<gender>_<race>_<time> nor a folder for each class; see docs/data.md for the"
        " layouts"
    )


def _lists_people(csv: Path) -> bool:
    """Whether the CSV lists folders of people, not photos: it has no column photo or mask."""
    header = csv_files.header(csv)
    of_photos = "photo" in header or columns.has_column(header, "mask", columns.PHOTOS)
    return columns.has_column(header, "path", columns.PEOPLE) and not of_photos


def _tables(folder: Path, label_map: LabelMap) -> tuple[list[Path], list[MaskgateError]]:
    """The tables of labelled photos in a folder, and the errors of files that cannot be read."""
    tables = []
    errors = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _TABLES or path.name.startswith(".") or not path.is_file():
            continue
        try:
            header = csv_files.header(path)
            csv_photos.check_labels(path, header)
        except MaskgateError as error:  # other CSV files beside the table do not matter
            errors.append(error)
            continue
        if csv_photos.is_table(header, label_map):
            tables.append(path)
    return tables, errors


def read_eval(data: Path) -> tuple[Path, pd.DataFrame]:
    """As `eval_table.read`, with a table of the text columns ImageID and photo."""
    tests = eval_table.read(data)
    columns_of_tests = {eval_table.IMAGE_ID: tests.image_ids, "photo": tests.photos}
    return tests.folder, pd.DataFrame(columns_of_tests, dtype="str")
