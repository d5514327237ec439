"""A folder for each class, whose name gives labels."""

from pathlib import Path

import pytest

from maskgate.data import checks, layouts
from maskgate.data.label_map import LabelMap
from maskgate.errors import MaskgateError


def photos_in(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "1.jpg").touch()


def test_folders_are_classes(tmp_path: Path) -> None:
    photos_in(tmp_path / "with_mask" / "more", tmp_path / "female", tmp_path / "not_wear_x")
    photos = layouts.read(tmp_path, LabelMap(words={"class": {"not_wear_x": "not_wear/<30"}}))
    assert photos.table["photo"].tolist() == [
        "female/1.jpg",
        "not_wear_x/1.jpg",
        "with_mask/more/1.jpg",
    ]
    assert photos.table["mask"].tolist() == [-1, 2, 0]
    assert photos.table["gender"].tolist() == [1, -1, -1]
    assert photos.table["age_band"].tolist() == [-1, 0, -1]
    assert photos.table["person"].is_unique
    assert not any(problem.fatal for problem in photos.problems)


def test_of_splits_train_is_read(tmp_path: Path) -> None:
    photos_in(tmp_path / "train" / "wear", tmp_path / "test" / "wear")
    photos = layouts.read(tmp_path)
    assert photos.root == tmp_path / "train" and len(photos.table) == 1


def test_an_unknown_class_beside_others_is_a_fault(tmp_path: Path) -> None:
    photos_in(tmp_path / "wear", tmp_path / "mask_female_young")
    photos = layouts.read(tmp_path)
    assert len(photos.table) == 1 and photos.unlabelled == ["mask_female_young/1.jpg"]
    with pytest.raises(MaskgateError, match="--map class:mask_female_young=WORD"):
        checks.refuse(photos.problems, tmp_path, skip=False)


def test_folders_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    photos_in(tmp_path / "cat", tmp_path / "1")
    with pytest.raises(MaskgateError, match=r"name of a class \(1, cat\).*--map class:1=WORD,cat="):
        layouts.read(tmp_path)
