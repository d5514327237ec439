"""One name in several spellings, names that are much alike, and files by their real names."""

import os
import unicodedata
from pathlib import Path

import pytest

from maskgate.core import files
from maskgate.data import layouts, names

NFC, NFD = (unicodedata.normalize(form, "김철수") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("name", [NFD, f" {NFD} ", f"{NFC}\u00a0", f"\u3000{NFC}"])
def test_spellings_of_one_name(name: str) -> None:
    assert NFC != NFD
    assert names.normalise(name) == NFC


def test_white_space_within_a_name_is_one_space() -> None:
    assert names.normalise("Kim \t Min\u00a0 Ji\n") == "Kim Min Ji"


def test_names_alike_are_grouped_and_not_joined() -> None:
    people = ["Kim", "1", "kim", "001", "p07", "p7", "10", "100", "KIM", "0", "00", "p70", "1.5"]
    assert names.similar(people) == [
        ["Kim", "kim", "KIM"],
        ["1", "001"],
        ["p07", "p7"],
        ["0", "00"],
    ]
    assert names.similar(["a", "b", "a"]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kim", "Kim\u200b"),  # zero width space
        ("Kim", "\ufeffKim"),  # byte order mark
        ("Kim", "\u200eKim\u200f"),  # marks of direction
        ("Kim", "Ki\u00adm"),  # soft hyphen
        ("Kim Min", "Kim\u200b Min"),
        ("1", "１"),
        ("Kim", "Ｋｉｍ"),
        ("1", "1.0"),
        ("001", "1.00"),
        ("p7", "p07.0"),
        ("1", "１.0\u200b"),
    ],
)
def test_names_that_look_alike_are_grouped(one: str, other: str) -> None:
    assert names.normalise(one) != names.normalise(other), "they stay two people"
    assert names.similar([one, other]) == [[one, other]]


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.5"), ("1", "10"), ("1.0", "1.0.1"), ("a", "a.0"), ("0", "1"), ("", "a")],
)
def test_names_that_look_different_are_not_grouped(one: str, other: str) -> None:
    assert names.similar([one, other]) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder whose names are in NFD, as macOS leaves them."""
    folder = tmp_path / "photos"
    for name in (f"{NFD}/1.jpg", f"{NFD}/a b.jpg", "plain/1.jpg", f"{NFD}.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("plain/1.jpg", "plain/1.jpg"),
        ("./plain//1.jpg", "plain/1.jpg"),
        ("plain\\1.jpg", "plain/1.jpg"),
        ("photos/plain/1.jpg", "plain/1.jpg"),
        ("photos\\plain\\1.jpg", "plain/1.jpg"),
        ("plain/../plain/1.jpg", "plain/../plain/1.jpg"),
        (f"{NFC}.jpg", f"{NFD}.jpg"),
        (f"{NFC}/1.jpg", f"{NFD}/1.jpg"),
        (f"{NFC}/a  b.jpg", f"{NFD}/a b.jpg"),
        ("plain/2.jpg", "plain/2.jpg"),  # is not there
        ("none/1.jpg", "none/1.jpg"),
        ("", ""),
    ],
)
def test_a_file_has_its_real_name(name: str, real: str, root: Path) -> None:
    assert names.Files(root).find(name) == real


def test_a_path_from_the_top_stays_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    path = str(root / "plain" / "1.jpg")
    assert names.Files(Path()).find(path) == path
    assert names.Files(Path()).find("/none/1.jpg") == "/none/1.jpg"
    assert names.Files(Path()).find(str(root / f"{NFC}.jpg")) == str(root / f"{NFD}.jpg")


def test_the_exact_name_goes_first_and_doubt_is_no_match(root: Path) -> None:
    (root / f"{NFC}.jpg").touch()
    files_on_disk = names.Files(root)
    assert files_on_disk.find(f"{NFC}.jpg") == f"{NFC}.jpg"
    assert files_on_disk.find(f"{NFD}.jpg") == f"{NFD}.jpg"
    assert files_on_disk.find(f"{NFD} .jpg") == f"{NFD} .jpg"
    (root / "a\\b.jpg").touch()
    assert names.Files(root).find("a\\b.jpg") == "a\\b.jpg"


def test_a_name_in_cp949_is_recognised(root: Path) -> None:
    odd = os.fsdecode(f"{NFC}2.jpg".encode("cp949"))
    try:
        (root / odd).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    path = names.Files(root).find(f"{NFC}2.jpg")
    assert path == odd
    assert not files.is_utf8(path)
    assert files.not_utf8(path) == (
        f"its name on disk is not UTF-8, in CP949 it reads {NFC}2.jpg; rename it"
    )


def test_photos_in_a_folder_below_the_table_are_read_from_there(tmp_path: Path) -> None:
    for folder, letters in {"pictures": "ab", "more/deep": "cb", ".hidden": "d"}.items():
        (tmp_path / folder).mkdir(parents=True)
        for letter in letters:
            (tmp_path / folder / f"{letter}.jpg").touch()
    table = tmp_path / "people.csv"
    table.write_text("photo,mask\n" + "".join(f"{name}.jpg,wear\n" for name in "abcd"))
    photos = layouts.read(table)
    # b.jpg is in two folders, and what is hidden is not looked at.
    assert photos.table["photo"].tolist() == [
        "pictures/a.jpg", "b.jpg", "more/deep/c.jpg", "d.jpg"
    ]  # fmt: skip
    problems = [each for each in photos.problems if each.kind == "photos in a subfolder"]
    assert [each.where for each in problems] == ["pictures", "more/deep"]
    assert not any(each.fatal for each in problems)
