"""The folds that a run's folds.csv gives its people."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate.data import folds
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.runs.records import folds as folds_csv

PATH = Path("run/folds.csv")


@pytest.mark.parametrize(
    ("fold", "expected"),
    [([0, 1, 2, 1], [0, 1, 2]), ([0, -1, -1, 0], [0]), ([-1] * 4, [0]), ([12, 3, 12, 3], [3, 12])],
)
def test_folds_are_those_that_people_are_validated_in(
    fold: list[int], expected: list[int], tmp_path: Path
) -> None:
    names = ["a", 'quoted "b", c', "two\nlines", "김"]
    photos = Photos(tmp_path, pd.DataFrame({"person": names}))
    folds.write(tmp_path / "folds.csv", photos, np.arange(4), np.array(fold))
    assert folds_csv.validated((tmp_path / "folds.csv").read_bytes(), PATH) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "column fold is missing"),
        (b"person,cluster\na,0\n", "column fold is missing"),
        (b"person,fold\na\n", "column fold has wrong values"),
        (b"person,fold\na,\n", "column fold has wrong values"),
        (b"person,fold\na,first\n", "column fold has wrong values"),
        (b"person,fold\na,0.5\n", "column fold has wrong values"),
        (b"person,fold\na,-2\n", "column fold has wrong values"),
        (b"person,fold\na," + b"9" * 5000 + b"\n", "column fold has wrong values"),
        (b'person,fold\n"a"b,0\n', "not a table"),
        (b"person,fold\n\xff,0\n", "not a table"),
        (b"person,fold\n" + b"a" * 200_000 + b",0\n", "not a table"),
    ],
)
def test_what_is_no_such_table_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MaskgateError, match=rf"^run/folds\.csv: missing or damaged \({reason}"):
        folds_csv.validated(content, PATH)
