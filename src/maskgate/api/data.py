"""Read data sets from Python."""

import os
from pathlib import Path

from maskgate.data import layouts
from maskgate.data.table import Photos


def read(data: str | os.PathLike[str]) -> Photos:
    """The labelled photos of a folder or a CSV, in any of the layouts of docs/data.md.

    `table` has a row for each photo, and `in_words()` is that table with words in place of codes.
    `problems` are what is wrong with the data; `train` refuses fatal ones. Photos are not opened.
    Raises MaskgateError if no layout is recognised.
    """
    return layouts.read(Path(data))
