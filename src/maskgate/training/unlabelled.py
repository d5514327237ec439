"""Reads photos without labels, for pseudo labels."""

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
    """The photos in a folder, each as a separate person without labels.

    If the folder, or `eval` in it, has the test photos' `info.csv`: the photos that it lists.
    Otherwise all photos in the folder and its subfolders. Raises MaskgateError.
    """
    files.check_name(Path(os.path.abspath(folder)))
    recipe_files.check_unlabelled(folder)
    if photo_files.test_table(folder) is not None:
        root, rows = layouts.read_eval(folder)
        names = rows["photo"].tolist()
    else:
        root = folder
        names = [path.relative_to(folder).as_posix() for path in photo_files.list_photos([folder])]
        unusable = [f"{name} ({files.not_utf8(name)})" for name in names if not files.is_utf8(name)]
        if unusable:
            raise MaskgateError(
                f"{folder}: {len(unusable)} photos cannot be used: {listed(unusable)}"
            )
    unknown = np.full(len(names), labels.UNKNOWN, dtype=np.int8)
    unknown_age = np.full(len(names), np.nan)
    return Photos(root, table.build(names, names, unknown, gender=unknown, age=unknown_age))
