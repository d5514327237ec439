"""CSV files of strangers: how they are encoded and separated is detected, odd rows are errors."""

from pathlib import Path

import pytest

from maskgate.data import csv_files
from maskgate.errors import MaskgateError

ROWS = [["photo", "person", "mask"], ["가.jpg", "김 철수", "wear"], ["b, c.jpg", "é", ""]]


def text(separator: str) -> str:
    fields = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in ROWS]
    return "\r\n".join(separator.join(row) for row in fields) + "\r\n"


def read(path: Path, content: "str | bytes") -> "list[list[str]]":
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = csv_files.load(path)
    assert csv_files.header(path) == list(table.columns)
    return [list(table.columns), *table.fillna("").to_numpy().tolist()]


def refused(path: Path, content: "str | bytes") -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(MaskgateError) as caught:
        csv_files.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_every_encoding_and_separator_gives_the_same_rows(
    encoding: str, separator: str, tmp_path: Path
) -> None:
    content = text(separator)
    if encoding == "cp949":  # which has no é
        content = content.replace("é", "이")
    rows = read(tmp_path / "a.csv", content.encode(encoding))
    assert rows == [[cell if encoding != "cp949" else cell.replace("é", "이") for cell in row]
        for row in ROWS]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_mark_alone(encoding: str, tmp_path: Path) -> None:
    content = text(",").encode(encoding)
    mark = "\ufeff".encode(encoding)
    assert read(tmp_path / "a.csv", mark + content) == ROWS
    assert "not a CSV in UTF-8, UTF-16 or CP949" in refused(tmp_path / "a.csv", content)


def test_excel_may_name_its_separator(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "sep=;\r\n" + text(";")) == ROWS


def test_a_separator_in_a_quoted_header_counts_for_nothing(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", '"a;b;c;d",e\n1,2\n')
    assert rows == [["a;b;c;d", "e"], ["1", "2"]]


def test_blank_lines_and_empty_fields_at_the_end_are_no_fault(tmp_path: Path) -> None:
    content = "\nphoto , mask\n a.jpg, wear,\n\n   \nb.jpg,,,\n"
    rows = [["photo", "mask"], ["a.jpg", "wear"], ["b.jpg", ""]]
    assert read(tmp_path / "a.csv", content) == rows
    content = "photo,mask,\na.jpg,wear\nb.jpg,,\n"  # a comma too many in the header
    assert read(tmp_path / "a.csv", content) == rows


def test_a_column_without_a_name_is_kept_where_it_holds_something(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",photo\n0,a.jpg\n1,b.jpg\n")  # as pandas writes its index
    assert csv_files.load(path).columns.tolist() == ["column 1", "photo"]


def test_longer_and_shorter_rows_are_told_by_line(tmp_path: Path) -> None:
    content = 'photo,person,mask\na.jpg,"Kim\nA",wear\nb.jpg,Kim, Jr.,wear\nc.jpg,p\n'
    message = refused(tmp_path / "a.csv", content)
    assert message.startswith(
        "line 4 has 4 fields, line 5 has 2 fields where the header has 3; quote"
    )


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path / "a.csv", "photo, mask,mask \na.jpg,wear,normal\n")
    assert message == "several columns are called mask; rename all but one, or remove them"
    with pytest.raises(MaskgateError, match="several columns"):
        csv_files.header(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"photo\na\0b.jpg\n", "line 2 has a NUL character"),
        (b"PK\x03\x04" + bytes(range(256)), "it is an Excel workbook or a ZIP file"),
        (b"photo,name\na.jpg,Ren\xe9e\n", "byte 20 fits none of them"),  # Latin-1
        (b'photo,mask\n"a.jpg,wear\n', "unexpected end of data"),
        (b"photo\n" + b"x" * 200_000 + b"\n", "field larger than field limit (131072)"),
    ],
    ids=["NUL", "Excel", "Latin-1", "open quote", "huge field"],
)
def test_what_is_no_csv_is_told(content: bytes, reason: str, tmp_path: Path) -> None:
    message = refused(tmp_path / "a.csv", content)
    assert message == f"not a CSV in UTF-8, UTF-16 or CP949 ({reason}); save it as one"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="cannot be read"):
        csv_files.load(tmp_path / "none.csv")
    with pytest.raises(MaskgateError, match="cannot be read"):
        csv_files.load(tmp_path / "a\0b.csv")


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", b"") == [[]]
    assert read(tmp_path / "a.csv", "photo,mask\n") == [["photo", "mask"]]


def test_names_that_look_like_numbers_or_nothing_stay_text(tmp_path: Path) -> None:
    names = ["None", "NA", "nan", "NULL", "1e5", "007", "TRUE", "9" * 5000]
    rows = read(tmp_path / "a.csv", "person\n" + "\n".join(names) + "\n")
    assert rows == [["person"], *[[name] for name in names]]


def test_the_header_of_a_large_file_is_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    line = "가,나\n".encode("cp949")
    path.write_bytes(b"photo,mask\n" + line * (2 * csv_files._HEAD // len(line)))
    assert csv_files.header(path) == ["photo", "mask"]
