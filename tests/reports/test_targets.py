"""Where a comparison's page goes."""

from pathlib import Path

import pytest

from maskgate.errors import MaskgateError
from maskgate.reports import targets


def test_out_is_a_page_or_a_folder(tmp_path: Path) -> None:
    assert targets.of_comparison(tmp_path / "a.html") == (tmp_path / "a.html", tmp_path / "a.csv")
    folder = tmp_path / "folder"
    assert targets.of_comparison(folder) == (folder / "compare.html", folder / "compare.csv")
    (tmp_path / "file").touch()
    (tmp_path / "b.csv").mkdir()
    for out, fault in (
        ("file", "is a file"),
        ("none/a.html", "does not exist"),
        ("b.html", "is a folder"),
    ):
        with pytest.raises(MaskgateError, match=fault):
            targets.of_comparison(tmp_path / out)
    (tmp_path / "a.csv").touch()
    with pytest.raises(MaskgateError, match=r"a\.csv: exists already"):
        targets.of_comparison(tmp_path / "a.html")
