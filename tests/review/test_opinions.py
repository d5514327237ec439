"""Opinions by person and by photo."""

from pathlib import Path

import numpy as np

from maskgate.data import seven_photos
from maskgate.review import opinions
from maskgate.review.people import People


def write(folder: Path, *lines: str) -> Path:
    (folder / "opinion.csv").write_text("\n".join(lines) + "\n")
    return folder / "opinion.csv"


def test_an_opinion_on_people(tmp_path: Path, everybody: People) -> None:
    number, person = next(iter(seven_photos.names_by_id(everybody.rows_by_name).items()))
    rows = everybody.rows_by_name[person]
    for name in (person, number):
        opinion = opinions.read(write(tmp_path, "person,gender,age", f"{name},f,64"), everybody)
        assert opinion.about("gender", rows) == "female"
        assert opinion.about("age_band", rows) == ">=60"
        assert opinion.about("mask", rows) == ""


def test_opinions_on_photos_that_differ_are_counted(tmp_path: Path, everybody: People) -> None:
    _, rows = next(iter(everybody.rows_by_name.items()))
    photos = everybody.table["photo"].iloc[rows].tolist()
    genders = ["female"] + ["male"] * 6
    lines = [f"/data/{name},{word},wear" for name, word in zip(photos, genders, strict=True)]
    path = write(tmp_path, "photo,gender,mask", "elsewhere/x.jpg,male,wear", *lines)
    opinion = opinions.read(path, everybody)
    assert opinion.about("gender", rows) == "male (6 of 7 photos)"
    assert opinion.about("mask", rows[:1]) == "wear"
    others = np.setdiff1d(np.arange(len(everybody.table)), rows)
    assert opinion.about("gender", others) == ""
