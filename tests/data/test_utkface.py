"""Reading faces whose names tell their labels; only names are looked at, the files are empty."""

import os
from pathlib import Path

import numpy as np
import pytest

from maskgate import labels
from maskgate.data import layouts, utkface
from maskgate.errors import MaskgateError


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    for name in (
        "25_0_2_20170116174525125.jpg.chip.jpg",
        "1_1_0_20161219140623097.jpg",
        "60_1_4_20170109150557335.JPG",
        "._25_0_2_20170116174525125.jpg",
        "readme.txt",
    ):
        (tmp_path / name).touch()
    return tmp_path


def test_names_tell_age_and_gender_and_nothing_of_masks(faces: Path) -> None:
    photos = layouts.read(faces)
    table = photos.table
    assert photos.root == faces
    assert not photos.problems
    assert table["photo"].str.split("_").str[0].tolist() == ["1", "25", "60"]
    assert table["age"].tolist() == [1, 25, 60]
    assert table["age_band"].tolist() == [0, 0, 2]
    assert table["gender"].tolist() == [1, 0, 1]
    assert (table["mask"] == labels.UNKNOWN).all()
    assert (table["label"] == labels.UNKNOWN).all()
    assert (table["person"] == table["photo"]).all()


def test_a_missing_race_is_not_missed(faces: Path) -> None:
    (faces / "61_1_20170109142408075.jpg").touch()
    table = layouts.read(faces).table
    assert table["age"].tolist() == [1, 25, 60, 61]


def test_faults_are_told_together_and_left_out(faces: Path) -> None:
    (faces / "30_3_0_20170116174525125.jpg").touch()
    (faces / "300_1_0_20170116174525125.jpg").touch()
    (faces / "holiday.jpg").touch()
    photos = layouts.read(faces)
    problems = {(problem.kind, problem.where[:8], problem.fatal) for problem in photos.problems}
    assert problems == {
        ("unknown gender", "30_3_0_2", True),
        ("age out of range", "300_1_0_", True),
        ("photo without row", "holiday.", False),
    }
    assert len(photos.table) == 3
    assert len(photos.unlabelled) == 3


def test_a_table_goes_before_names(faces: Path) -> None:
    (faces / "faces.csv").write_text("photo,age\n1_1_0_20161219140623097.jpg,40\n")
    assert layouts.read(faces).table["age"].tolist() == [40]


def test_other_folders_are_no_faces(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001_2_3.jpg").touch()
    (tmp_path / "25_0_2_20170116174525125.jpg").mkdir()
    assert not utkface.holds_faces(tmp_path)
    assert not utkface.holds_faces(tmp_path / "nowhere")
    with pytest.raises(MaskgateError, match="neither folders named"):
        layouts.read(tmp_path)


def test_a_folder_of_faults_alone_is_read(tmp_path: Path) -> None:
    (tmp_path / "200_1_0_20170116174525125.jpg").touch()
    photos = layouts.read(tmp_path)
    assert len(photos.table) == 0
    assert photos.table["age"].dtype == np.float32
    assert len(photos.problems) == 1


def test_names_that_are_not_utf8_and_ages_of_many_digits_are_faults(faces: Path) -> None:
    (faces / f"{'9' * 200}_1_0_20170116174525125.jpg").touch()
    try:
        (faces / os.fsdecode("25_0_2_김.jpg".encode("cp949"))).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    photos = layouts.read(faces)
    assert {(problem.kind, problem.where[-8:], problem.fatal) for problem in photos.problems} == {
        ("age out of range", "5125.jpg", True),
        ("name not in UTF-8", r"\xe8.jpg", True),
    }
    assert len(photos.table) == 3
