"""Read data sets from Python."""

import os
from collections.abc import Mapping
from pathlib import Path

from maskgate.data import layouts
from maskgate.data.label_map import LabelMap
from maskgate.data.table import Photos


def read(
    data: str | os.PathLike[str],
    columns: Mapping[str, str] | None = None,
    words: Mapping[str, Mapping[str, str]] | None = None,
) -> Photos:
    """The labelled photos of a folder or a CSV, in any of the layouts of docs/data.md.

    `columns` are the names that the data set's columns have, such as `{"photo": "filename"}`, and
    `words` what its words mean, such as `{"gender": {"M": "male", "F": "female"}}`. `train`
    takes both, too.

    `table` has a row for each photo, and `in_words()` is that table with words in place of codes.
    `problems` are what is wrong with the data; `train` refuses fatal ones. Photos are not opened.
    Raises MaskgateError if no layout is recognised.
    """
    label_map = LabelMap(columns or {}, words or {})
    label_map.check()
    return layouts.read(Path(data), label_map)
