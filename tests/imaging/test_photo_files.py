"""Folders are searched in one way: links followed, files only, and what is left out is counted."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from maskgate.errors import MaskgateError
from maskgate.imaging import photo_files
from maskgate.imaging.decoding import isolated

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as it may be found on a disk."""
    place = tmp_path / "photos"
    for name in (
        "b.jpg", "a.JPG", "c.jfif", "d.jpe", "e.avif", "f.PNG", "deep/er/g.webp",
        ".hidden.jpg", ".ipynb_checkpoints/b-checkpoint.jpg", "deep/.git/h.png",
        "notes.txt", "table.csv", "other.csv", "README", "i.svg",
    ):  # fmt: skip
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    (place / "folder.jpg").mkdir()
    (place / "folder.jpg" / "inside.tif").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "k.bmp").touch()
    (place / "linked").symlink_to(tmp_path / "elsewhere")
    (place / "deep" / "again").symlink_to(place)
    (place / "deep" / "same").symlink_to(place / "linked")
    (place / "link.jpeg").symlink_to(tmp_path / "elsewhere" / "k.bmp")
    (place / "broken.jpg").symlink_to(place / "nowhere.jpg")
    os.mkfifo(place / "pipe.jpg")
    return place


def test_what_is_found_and_what_is_passed_over(folder: Path) -> None:
    folder_photos = photo_files.find_photos(folder)
    assert [str(path.relative_to(folder)) for path in folder_photos.photos] == [
        "a.JPG", "b.jpg", "c.jfif", "d.jpe", "deep/er/g.webp", "e.avif", "f.PNG",
        "folder.jpg/inside.tif", "link.jpeg", "linked/k.bmp",
    ]  # fmt: skip
    assert folder_photos.skipped == {
        "hidden": 3, ".csv": 2, ".txt": 1, ".svg": 1, "without a suffix": 1, photo_files.NO_FILE: 2,
        "linked again": 2,
    }  # fmt: skip


def test_links_in_a_ring_end(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.jpg").touch()
        for other in ("a", "b", "c"):
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    assert len(photo_files.find_photos(tmp_path).photos) == 3
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert len(photo_files.find_photos(tmp_path).photos) == 3
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert len(photo_files.find_photos(tmp_path).photos) == 3
    assert len(photo_files.find_photos(tmp_path / "a").photos) == 3
    (tmp_path / "start").symlink_to(tmp_path / "a")
    assert len(photo_files.find_photos(tmp_path / "start").photos) == 3


def test_the_sentence_counts_by_kind() -> None:
    assert photo_files.skipped_sentence({}) == ""
    assert photo_files.skipped_sentence({".txt": 1}) == "skipped 1 other file: 1 .txt"
    sentence = photo_files.skipped_sentence({".txt": 2, ".heic": 1200, "hidden": 2})
    assert sentence == (
        "skipped 1,204 other files: 1,200 .heic (read after pip install"
        ' "maskgate[heic]"), 2 .txt, 2 hidden'
    )


def test_heic_is_a_photo_where_it_can_be_read() -> None:
    assert photo_files.has_photo_suffix("IMG_1.HEIC") == isolated.reads_heic()
    names = ("a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.png", "a.webp", "a.bmp", "a.tif", "a.avif")
    assert all(map(photo_files.has_photo_suffix, names))
    assert not any(map(photo_files.has_photo_suffix, ("a.gif", "a.jp2", "jpg", "a.txt", ".jpg")))


def test_predict_tells_what_it_passes_over(
    trained: Path, call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "photos"
    (place / ".ipynb_checkpoints").mkdir(parents=True)
    (place / "a.jpg").mkdir()
    image = Image.new("RGB", (48, 64), "brown")
    for name in ("b.jfif", ".ipynb_checkpoints/c.jpg", "d.avif"):
        image.save(place / name, "AVIF" if name.endswith("avif") else "JPEG")
    (place / "e.gif").touch()
    code, out, err = call("predict", trained, place)
    assert code == 0
    rows = [line.split(",")[0] for line in out.splitlines()[1:]]
    assert rows == [str(place / "b.jfif"), str(place / "d.avif")]
    assert "skipped 2 other files: 1 .gif, 1 hidden\n" in err


def test_a_folder_without_photos_tells_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.gif").touch()
    with pytest.raises(MaskgateError, match=r"no photo in it; .*skipped 1 other file: 1 \.gif"):
        photo_files.list_photos([tmp_path])


def test_named_files_are_taken_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    assert photo_files.list_photos([tmp_path / ".hidden"]) == [tmp_path / ".hidden"]
