"""Reads labelled photos from a CSV: one row per photo, any label may be missing."""

from collections.abc import Iterable
from pathlib import Path

from maskgate.data import columns, csv_files, labelled_rows
from maskgate.data.label_map import LabelMap
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed


def is_table(header: Iterable[str], label_map: LabelMap) -> bool:
    """Whether a file with that header lists labelled photos; columns may have any known name, or
    those of the `label_map`.

    A table of predictions does not: its masks, genders and ages are not labels.
    """
    header = list(header)
    if columns.prediction_columns(header):
        return False
    known = {**columns.PHOTOS, **columns.CLASS}
    has_columns = [
        label_map.columns.get(name) in header or columns.has_column(header, name, known)
        for name in ("photo", *labelled_rows.LABELS, "class")
    ]
    return "photo" in header or (has_columns[0] and any(has_columns[1:]))


def check_labels(path: Path, header: Iterable[str]) -> None:
    """Raise MaskgateError if the header is that of a table of predictions."""
    if extra := columns.prediction_columns(header):
        raise MaskgateError(
            f"{path}: these are predictions, not labels (columns {listed(extra)}); give the"
            " table of labels, or remove these columns if its labels are true"
        )


def read(path: Path, label_map: LabelMap) -> Photos:
    """The photos of a CSV, with paths relative to it and all problems. Raises MaskgateError."""
    rows = csv_files.load(path)
    check_labels(path, rows.columns)
    return labelled_rows.parse(rows, path, path.parent, label_map)
