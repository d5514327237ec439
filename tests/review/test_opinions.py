"""Opinions by person and by photo."""

from pathlib import Path

import pytest

from maskgate.errors import MaskgateError
from maskgate.review import opinions
from maskgate.review.decisions import Subject
from maskgate.review.people import People


def write(folder: Path, *lines: str) -> Path:
    (folder / "opinion.csv").write_text("\n".join(lines) + "\n")
    return folder / "opinion.csv"


def test_an_opinion_on_people(tmp_path: Path, everybody: People) -> None:
    person = next(iter(everybody.rows_by_name))
    read = opinions.read(write(tmp_path, "person,gender,age", f"{person},f,64"), everybody)
    assert read.about(Subject(person, "", "gender"), []) == "female"
    assert read.about(Subject(person, "", "age_band"), []) == ">=60"
    assert read.about(Subject(person, "", "mask"), []) == ""


def test_opinions_on_photos_that_differ_are_counted(tmp_path: Path, everybody: People) -> None:
    person, rows = next(iter(everybody.rows_by_name.items()))
    photos = everybody.table["photo"].iloc[rows].tolist()
    genders = ["female"] + ["male"] * 6
    lines = [f"/data/{name},{word},wear" for name, word in zip(photos, genders, strict=True)]
    path = write(tmp_path, "photo,gender,mask", "elsewhere/x.jpg,male,wear", *lines)
    read = opinions.read(path, everybody)
    assert read.about(Subject(person, "", "gender"), photos) == "male (6 of 7 photos)"
    assert read.about(Subject(person, photos[0], "mask"), photos) == "wear"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("name,gender", "a,f"), "needs a column photo or person, and one of mask, gender"),
        (("person,hair", "a,long"), "needs a column photo or person, and one of mask, gender"),
        (("person,gender", "a,f"), "has no opinion on the people in"),
    ],
)
def test_what_is_no_opinion_is_refused(
    lines: tuple[str, ...], message: str, tmp_path: Path, everybody: People
) -> None:
    with pytest.raises(MaskgateError, match=message):
        opinions.read(write(tmp_path, *lines), everybody)
