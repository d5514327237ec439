"""Reads photos without labels, to be told what they show by a model."""

import os
from pathlib import Path

import numpy as np

from maskgate import labels
from maskgate.config import recipe_files
from maskgate.core import files
from maskgate.data import layouts, table
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.imaging import photo_files


def read(folder: Path) -> Photos:
    """The photos in a folder, each a person of its own of whom nothing is known.

    Where the folder, or `eval` in it, holds the test photos' `info.csv`, those that it lists; else
    all in it and below. Raises MaskgateError.
    """
    files.check_name(Path(os.path.abspath(folder)))
    recipe_files.check_unlabelled(folder)
    if photo_files.test_table(folder) is not None:
        root, rows = layouts.read_eval(folder)
        found = rows["photo"].tolist()
    else:
        root = folder
        found = [path.relative_to(folder).as_posix() for path in photo_files.list_photos([folder])]
        odd = [f"{name} ({files.not_utf8(name)})" for name in found if not files.is_utf8(name)]
        if odd:
            raise MaskgateError(f"{folder}: {len(odd)} photos cannot be used: {listed(odd)}")
    unknown = np.full(len(found), labels.UNKNOWN, dtype=np.int8)
    nothing = np.full(len(found), np.nan)
    return Photos(root, table.build(found, found, unknown, gender=unknown, age=nothing))
