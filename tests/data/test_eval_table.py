"""The table of the test photos is read without pandas, its column under names spelled alike."""

import subprocess
import sys
from pathlib import Path

import pytest

from maskgate.data import eval_table
from maskgate.errors import MaskgateError

WITHOUT_PANDAS = """
import sys
sys.modules["pandas"] = None
from pathlib import Path
from maskgate.data import eval_table
print(eval_table.read(Path(sys.argv[1])).photos)
"""


def read(folder: Path, text: str) -> list[str]:
    (folder / "info.csv").write_text(text, encoding="utf-8")
    return eval_table.read(folder).image_ids


@pytest.mark.parametrize("header", ["ImageID,ans", "ans,ImageID", "image_id", "x;IMAGE ID"])
def test_its_column_is_found(header: str, tmp_path: Path) -> None:
    separator = ";" if ";" in header else ","
    names = header.split(separator)
    row = [" a.jpg " if name[0] in "iI" else "0" for name in names]
    assert read(tmp_path, f"{header}\n{separator.join(row)}\n") == ["a.jpg"]


def test_a_column_with_content_is_preferred(tmp_path: Path) -> None:
    assert read(tmp_path, "ImageID,image_id\n,a.jpg\n,b.jpg\n") == ["a.jpg", "b.jpg"]
    assert read(tmp_path, "ImageID,image_id\na.jpg,c.jpg\n") == ["a.jpg"]
    assert read(tmp_path, "image_id,IMAGEID\na.jpg,A\nb.jpg,B\n") == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks the column 'ImageID'"),
        ("ans\n0\n", "lacks the column 'ImageID'"),
        ("ImageID,ans\n", "has no row below its header"),
        ("ImageID,ans\n,0\n", "row 2 without ImageID"),
        ("ImageID,ans\na.jpg,0\n../a.jpg,0\n", r"\.\./a.jpg lies outside the folder"),
        ("ImageID,ans\na.jpg,0\na.jpg,0\na.jpg,0\n", "a.jpg listed twice, a.jpg listed twice;"),
        ("image_id,IMAGEID\na,A\nb,A\n", "each of the columns image_id, IMAGEID may be the"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=reason):
        read(tmp_path, text)


def test_it_needs_no_pandas(tmp_path: Path) -> None:
    (tmp_path / "info.csv").write_text("ImageID,ans\nb.jpg,0\na.jpg,0\n")
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANDAS, tmp_path], capture_output=True, text=True, check=True
    )
    assert process.stdout == "['b.jpg', 'a.jpg']\n"
