"""`maskgate submit` without an `info.csv`, and what `maskgate train` says comes next."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from maskgate.data import eval_table
from maskgate.errors import MaskgateError


def answers(path: Path) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["ImageID"]: row["ans"] for row in csv.DictReader(file)}


def test_a_folder_a_list_and_a_table_give_the_same(
    call: Any, trained: Path, people: Path, tmp_path: Path
) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:5]
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for number, photo in enumerate(photos):
        shutil.copy(photo, folder / "below" / photo.name if number == 4 else folder / photo.name)
    assert call("submit", trained, people, "-o", tmp_path / "all.csv")[0] == 0
    expected = answers(tmp_path / "all.csv")
    code, _, err = call("submit", trained, folder, "-o", tmp_path / "folder.csv")
    assert code == 0, err
    of_folder = answers(tmp_path / "folder.csv")
    assert list(of_folder) == sorted(of_folder) and f"below/{photos[4].name}" in of_folder
    assert {name.rpartition("/")[2]: answer for name, answer in of_folder.items()} == {
        photo.name: expected[photo.name] for photo in photos
    }
    assert call("submit", trained, *reversed(photos), "-o", tmp_path / "list.csv")[0] == 0
    of_list = answers(tmp_path / "list.csv")
    assert list(of_list.items()) == [(photo.name, expected[photo.name]) for photo in photos]
    (folder / "test.csv").write_text("image_id,ans\n" + f"{photos[2].name},\n{photos[0].name},\n")
    assert call("submit", trained, folder / "test.csv", "-o", tmp_path / "table.csv")[0] == 0
    assert list(answers(tmp_path / "table.csv")) == [photos[2].name, photos[0].name]


def test_photos_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / "b" / "1.jpg", tmp_path / "a" / "1.jpg"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    table = eval_table.find(paths)
    assert table.image_ids == [path.as_posix() for path in reversed(paths)]
    with pytest.raises(MaskgateError, match="given twice; give each photo once"):
        eval_table.find([paths[0], paths[0]])


@pytest.mark.slow
def test_train_prints_what_comes_next(call: Any, people: Path, tiny: Path, tmp_path: Path) -> None:
    words = ("train", tiny, people, "training.epochs=1", "folds.kind=all", "--out")
    run = tmp_path / "a run"
    code, out, err = call(*words, run)
    assert code == 0, err
    assert f"  maskgate submit '{run}' PHOTOS  # " in out and f"open '{run}/report.html'" in out
    code, out, _ = call(*words, tmp_path / "smoke", "--smoke")
    assert code == 0 and "the same command without --smoke" in out
