"""The cache: right pixels, decoded once, whatever moves, breaks, fills up or is killed."""

import errno
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate.core import files
from maskgate.core.geometry import Geometry
from maskgate.data import contents, near_duplicates
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.pipeline import cache, shards
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.shards import ShardFolder, Shards

GEOMETRY = Geometry(16, 12, 0.25)
COUNT = 21
SHARD_BYTES = 4600  # five pictures of 20×15, one thumbnail

# Builds the cache of a folder in a process of its own; `prelude` may change the modules first.
NetworkInput = Callable[..., "np.ndarray"]

BUILD = """
import sys, time, os
from pathlib import Path
import pandas as pd
from maskgate.core import files; from maskgate.imaging import pixels
from maskgate.core.geometry import Geometry
from maskgate.data.table import Photos
from maskgate.faces.view import View
from maskgate.pipeline import cache, shards

shards.SHARD_BYTES = 4600
folder, out, first, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
cache._CHUNK = 4
decode = pixels.decode
{prelude}
names = [f"{{row}}.jpg" for row in range(first, last)]
photos = Photos(folder, pd.DataFrame({{"photo": names}}))
cache.build(photos, View(Geometry(16, 12, 0.25)), out)
"""
SLOW = """
def slow(source):
    time.sleep(0.01)
    return decode(source)
pixels.decode = slow
Path(f"{out}-{first}.ready").touch()
while len(list(out.parent.glob("*.ready"))) < 2:
    time.sleep(0.01)
"""
KILLED = """
done = []
def killed(source):
    done.append(1)
    if len(done) > {after}:
        os._exit(9)
    return decode(source)
pixels.decode = killed
"""


def picture(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((30, 40), Image.Resampling.BICUBIC).save(path, quality=90)


def photos_of(folder: Path, *names: str) -> Photos:
    return Photos(folder, pd.DataFrame({"photo": list(names)}))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of a few photos lies in several shards."""
    monkeypatch.setattr(shards, "SHARD_BYTES", SHARD_BYTES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of photos `0.jpg` … `20.jpg`, each another one."""
    root = tmp_path / "photos"
    root.mkdir()
    for row in range(COUNT):
        picture(root / f"{row}.jpg", row)
    return root


@pytest.fixture
def photos(folder: Path) -> Photos:
    return photos_of(folder, *(f"{row}.jpg" for row in range(COUNT)))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is decoded from now on."""
    done: list[object] = []
    decode = pixels.decode

    def counting(source: Path | bytes) -> Image.Image:
        done.append(source)
        return decode(source)

    monkeypatch.setattr(pixels, "decode", counting)
    return done


def check(store: PhotoStore, photos: Photos) -> None:
    """Every row holds the pixels that its file has now."""
    assert len(store) == len(store.digests) == len(photos.table)
    for row, name in enumerate(photos.table["photo"]):
        image = pixels.decode(photos.root / name)
        np.testing.assert_array_equal(store[row], pixels.resize(image, *GEOMETRY.stored))
        thumbnail = store.thumbnails[store.slots[row]]
        np.testing.assert_array_equal(thumbnail, near_duplicates.thumbnail(image))


def rows(place: Path, table: str) -> int:
    (index,) = place.glob("*/index.sqlite")
    with sqlite3.connect(index) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def run(prelude: str, *arguments: object) -> "subprocess.Popen[bytes]":
    program = BUILD.format(prelude=prelude)
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stderr=subprocess.PIPE
    )


def test_the_store_holds_what_decoding_gives(photos: Photos, place: Path) -> None:
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert problems == []
    assert store.pictures.shape == (*GEOMETRY.stored, 3)
    assert store.thumbnails.shape == near_duplicates.THUMBNAIL
    assert len(set(store.digests)) == COUNT
    check(store, photos)


def test_the_store_cannot_be_written_to(photos: Photos, place: Path) -> None:
    store, _ = cache.build(photos, View(GEOMETRY), place)
    with pytest.raises(ValueError, match="read-only"):
        store[0][0, 0, 0] = 1


def test_a_second_build_decodes_nothing(
    photos: Photos, place: Path, decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = cache.build(photos, View(GEOMETRY), place)
    assert len(decoded) == COUNT
    decoded.clear()
    monkeypatch.setattr(contents, "read_all", lambda *_, **__: pytest.fail("files are read"))
    again, problems = cache.build(photos, View(GEOMETRY), place)
    assert (decoded, problems) == ([], [])
    assert again.digests == first.digests
    np.testing.assert_array_equal(again.slots, first.slots)
    every = np.arange(COUNT)
    np.testing.assert_array_equal(again.rows(every), first.rows(every))


def test_any_order_and_part_of_a_table_is_served(
    photos: Photos, place: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    decoded.clear()
    part = photos.take(np.array([13, 2, 2, 20, 0]))
    store, _ = cache.build(part, View(GEOMETRY), place)
    assert decoded == []
    check(store, part)


def test_a_moved_photo_is_found_by_its_content(
    photos: Photos, place: Path, folder: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    other = folder.parent / "elsewhere"
    folder.rename(other)
    shutil.copy(other / "3.jpg", other / "copy of 3.jpg")
    decoded.clear()
    moved = photos_of(other, *photos.table["photo"], "copy of 3.jpg")
    store, problems = cache.build(moved, View(GEOMETRY), place)
    assert (decoded, problems) == ([], [])
    assert store.slots[3] == store.slots[COUNT]
    check(store, moved)
    assert rows(place, "pictures") == COUNT


def test_equal_photos_of_one_build_share_a_slot(folder: Path, place: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(folder / "5.jpg", folder / name)
    photos = photos_of(folder, "a.jpg", "5.jpg", "6.jpg", "b.jpg")
    store, _ = cache.build(photos, View(GEOMETRY), place)
    check(store, photos)
    assert len(set(store.slots)) == rows(place, "pictures") == 2


def test_a_changed_photo_is_decoded_anew(
    photos: Photos, place: Path, folder: Path, decoded: list[object]
) -> None:
    before, _ = cache.build(photos, View(GEOMETRY), place)
    old = before[4].copy()
    picture(folder / "4.jpg", 99)
    stat = os.stat(folder / "4.jpg")
    os.utime(folder / "4.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    decoded.clear()
    store, _ = cache.build(photos, View(GEOMETRY), place)
    assert len(decoded) == 1
    assert (store[4] != old).any()
    check(store, photos)
    np.testing.assert_array_equal(before[4], old)  # a run that began before keeps its pixels


def swapped_by_renaming(first: Path, second: Path) -> None:
    first.rename(first.with_suffix(".tmp"))
    second.rename(first)
    first.with_suffix(".tmp").rename(second)


def swapped_in_place(first: Path, second: Path) -> None:
    one, other = first.read_bytes(), second.read_bytes()
    for path, content in ((first, other), (second, one)):
        with open(path, "r+b") as file:
            file.write(content)


@pytest.mark.parametrize("swap", [swapped_by_renaming, swapped_in_place])
def test_two_photos_of_equal_size_and_time_that_are_swapped(
    swap: Callable[[Path, Path], None], folder: Path, place: Path, decoded: list[object]
) -> None:
    pair = [folder / "normal.jpg", folder / "incorrect_mask.jpg"]
    size = max((folder / name).stat().st_size for name in ("1.jpg", "2.jpg"))
    for path, name in zip(pair, ("1.jpg", "2.jpg"), strict=True):
        path.write_bytes((folder / name).read_bytes().ljust(size, b"\0"))
        os.utime(path, ns=(10**18, 10**18))
    photos = photos_of(folder, "normal.jpg", "incorrect_mask.jpg", "3.jpg")
    before, _ = cache.build(photos, View(GEOMETRY), place)
    swap(*pair)
    for path in pair:
        os.utime(path, ns=(10**18, 10**18))
    assert len({(path.stat().st_size, path.stat().st_mtime_ns) for path in pair}) == 1
    decoded.clear()
    after, problems = cache.build(photos, View(GEOMETRY), place)
    assert (decoded, problems) == ([], []), "their contents were known"
    assert after.digests == [before.digests[row] for row in (1, 0, 2)]
    check(after, photos)


def test_a_copied_data_set_is_read_and_not_decoded(
    photos: Photos, place: Path, folder: Path, decoded: list[object]
) -> None:
    before, _ = cache.build(photos, View(GEOMETRY), place)
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    copy.rename(folder)  # the same names, sizes and times, and other inodes
    decoded.clear()
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert (decoded, problems) == ([], [])
    assert store.digests == before.digests
    check(store, photos)


def test_an_index_of_an_older_version_is_filled_anew(
    photos: Photos, place: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    (index,) = place.glob("*/index.sqlite")
    with sqlite3.connect(index) as connection:
        connection.executescript(
            "DROP TABLE files; CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER,"
            " changed INTEGER, digest BLOB) WITHOUT ROWID;"
            " INSERT INTO files VALUES ('a', 1, 2, x'00');"
        )
    decoded.clear()
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert (decoded, problems) == ([], [])
    assert rows(place, "files") == COUNT
    check(store, photos)


def test_a_store_opened_before_keeps_its_pixels_while_the_cache_grows(
    photos: Photos, place: Path
) -> None:
    early = photos.take(np.arange(5))
    store, _ = cache.build(early, View(GEOMETRY), place)
    cache.build(photos, View(GEOMETRY), place)
    check(store, early)


def test_other_sizes_lie_apart_and_equal_stored_sizes_together(
    photos: Photos, place: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    cache.build(photos, View(Geometry(20, 15)), place)  # 16×12 and a quarter
    assert len(decoded) == COUNT
    store, _ = cache.build(photos, View(Geometry(16, 12)), place)
    assert len(decoded) == 2 * COUNT
    assert store.pictures.shape == (16, 12, 3)


def test_a_crop_is_stored_apart_and_validated_as_it_is_predicted(
    network_input: NetworkInput, photos: Photos, place: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    assert [path.name for path in place.iterdir()] == [f"20x15-v{pixels.VERSION}"]
    for crop in (0.5, 0.75):
        geometry = Geometry(16, 12, 0.25, crop)
        store, _ = cache.build(photos, View(geometry), place)
        for row, name in enumerate(photos.table["photo"]):
            centre = pixels.centre(store[row], geometry)
            np.testing.assert_array_equal(centre, network_input(photos.root / name, View(geometry)))
        assert (place / f"20x15-crop{crop}-v{pixels.VERSION}").is_dir()
        thumbnail = store.thumbnails[store.slots[0]]  # near-duplicates are sought in whole photos
        photo = pixels.decode(photos.root / photos.table["photo"][0])
        np.testing.assert_array_equal(thumbnail, near_duplicates.thumbnail(photo))
    before = len(decoded)
    check(cache.build(photos, View(GEOMETRY), place)[0], photos)
    assert len(decoded) == before + COUNT  # by the check itself


def test_broken_photos_are_told_together(photos: Photos, place: Path, folder: Path) -> None:
    (folder / "1.jpg").write_text("no photo")
    content = (folder / "7.jpg").read_bytes()
    (folder / "7.jpg").write_bytes(content[: len(content) // 2])
    (folder / "12.jpg").unlink()
    (folder / "13.jpg").unlink()
    (folder / "13.jpg").mkdir()
    (folder / "20.jpg").write_bytes(b"")
    for _ in range(2):  # and again when the others are known already
        store, problems = cache.build(photos, View(GEOMETRY), place)
        assert {p.where for p in problems} == {f"{n}.jpg" for n in (1, 7, 12, 13, 20)}
        assert {p.where: p.kind for p in problems if p.kind != "unreadable photo"} == {
            "12.jpg": "photo not found"
        }
        assert all(p.fatal and p.detail for p in problems)
        left = photos.without(problems)
        assert len(left.table) == COUNT - 5
        check(store, left)
    picture(folder / "1.jpg", 1)
    _, problems = cache.build(photos, View(GEOMETRY), place)
    assert "1.jpg" not in {p.where for p in problems}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", [1, 2])
def test_a_full_disk_is_told_before_anything_is_decoded(
    call: int,
    code: int,
    photos: Photos,
    place: Path,
    decoded: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reserve, calls = os.posix_fallocate, []

    def full(file: int, start: int, size: int) -> None:
        calls.append(size)
        if len(calls) == call:
            raise OSError(code, os.strerror(code))
        reserve(file, start, size)

    with monkeypatch.context() as patch, pytest.raises(MaskgateError, match=r"full.*--cache"):
        patch.setattr(os, "posix_fallocate", full)
        cache.build(photos, View(GEOMETRY), place)
    assert decoded == []
    assert rows(place, "pictures") == rows(place, "files") == 0
    store, _ = cache.build(photos, View(GEOMETRY), place)
    check(store, photos)


def test_a_cache_that_cannot_be_written_is_told(photos: Photos, place: Path) -> None:
    place.write_text("a file where the folder should be")
    with pytest.raises(MaskgateError, match="cannot be written"):
        cache.build(photos, View(GEOMETRY), place)


def test_an_index_that_is_none_is_told(photos: Photos, place: Path) -> None:
    cache.build(photos, View(GEOMETRY), place)
    (index,) = place.glob("*/index.sqlite")
    index.write_bytes(b"garbage " * 500)
    with pytest.raises(MaskgateError, match=str(index.parent)):
        cache.build(photos, View(GEOMETRY), place)


def test_a_large_cache_lies_in_shards_of_equal_size(photos: Photos, place: Path) -> None:
    cache.build(photos, View(GEOMETRY), place)
    sizes = [path.stat().st_size for path in sorted(place.glob("*/pixels-*.u8"))]
    assert sizes == [*[5 * 20 * 15 * 3] * 4, 20 * 15 * 3]
    assert len(list(place.glob("*/thumbnails-*.u8"))) == COUNT


@pytest.mark.parametrize(
    ("name", "kept", "lost"),
    [
        ("pixels-00002.u8", None, 5),
        ("pixels-00004.u8", None, 1),
        ("pixels-00000.u8", 0.0, 5),
        ("pixels-00001.u8", 0.5, 3),
        ("pixels-00003.u8", 0.99, 1),
        ("pixels-*.u8", None, COUNT),
        ("pixels-*.u8", 0.5, COUNT - 4 * 2),
        ("thumbnails-00007.u8", None, 1),
        ("thumbnails-00020.u8", 0.9, 1),
        ("*-00002.u8", None, 6),  # of the thumbnails one, which is in the first shard of pixels
    ],
)
def test_a_shard_that_is_lost_or_cut_costs_only_its_photos(
    name: str, kept: float | None, lost: int, photos: Photos, place: Path, decoded: list[object]
) -> None:
    before, _ = cache.build(photos, View(GEOMETRY), place)
    pixels_before = before.rows(np.arange(COUNT))
    damaged = list(place.glob(f"*/{name}"))
    for file in damaged:
        if kept is None:
            file.unlink()
        else:
            os.truncate(file, int(file.stat().st_size * kept))
    decoded.clear()
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert problems == []
    assert len(decoded) == lost
    check(store, photos)
    assert rows(place, "pictures") == COUNT
    if kept is None:  # a run that began before has the deleted files, and others as they were
        np.testing.assert_array_equal(before.rows(np.arange(COUNT)), pixels_before)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_repair_that_is_interrupted_leaves_no_empty_pictures(
    error: BaseException, photos: Photos, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    next(place.glob("*/pixels-00001.u8")).unlink()

    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ShardFolder, "write", failing)
        with pytest.raises((KeyboardInterrupt, MaskgateError)):
            cache.build(photos, View(GEOMETRY), place)
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert problems == []
    check(store, photos)


def test_pictures_in_use_are_never_written_again(photos: Photos, place: Path) -> None:
    """Neither where thumbnails alone are lost, nor where the index is."""
    for lost in ("thumbnails-*.u8", "index.sqlite"):
        before, _ = cache.build(photos, View(GEOMETRY), place)
        pixels = before.rows(np.arange(COUNT))
        for file in place.glob(f"*/{lost}"):
            file.unlink()
        store, _ = cache.build(photos.take(np.arange(COUNT)[::-1]), View(GEOMETRY), place)
        np.testing.assert_array_equal(before.rows(np.arange(COUNT)), pixels)
        np.testing.assert_array_equal(store.rows(np.arange(COUNT)), pixels[::-1])


def test_stores_are_joined_after_a_shard_was_lost(photos: Photos, place: Path) -> None:
    cache.build(photos, View(GEOMETRY), place)
    next(place.glob("*/pixels-00000.u8")).unlink()
    parts = [photos.take(rows) for rows in (np.arange(3), np.arange(3, COUNT))]
    stores = [cache.build(part, View(GEOMETRY), place)[0] for part in parts]
    check(cache.joined(stores), photos)


def test_a_copy_of_some_shards_needs_only_the_other_photos(
    photos: Photos, place: Path, tmp_path: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    (full,) = place.iterdir()
    copy = tmp_path / "copy" / full.name
    shutil.copytree(full, copy, ignore=shutil.ignore_patterns("pixels-0000[13].u8"))
    decoded.clear()
    store, _ = cache.build(photos, View(GEOMETRY), copy.parent)
    assert len(decoded) == 10
    check(store, photos)
    part = photos.take(np.arange(5))  # whose pictures are in the first shard
    shutil.rmtree(copy)
    shutil.copytree(full, copy, ignore=shutil.ignore_patterns("pixels-0000[1-4].u8"))
    decoded.clear()
    store, _ = cache.build(part, View(GEOMETRY), copy.parent)
    assert decoded == []
    check(store, part)


def test_a_batch_is_a_copy_that_may_be_changed(photos: Photos, place: Path) -> None:
    store, _ = cache.build(photos, View(GEOMETRY), place)
    chosen = np.array([20, 3, 3, 11, 0])
    batch = store.rows(chosen)
    assert batch.flags.c_contiguous and batch.flags.writeable
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, np.stack([store[row] for row in chosen]))
    batch[:] = 0
    check(store, photos)
    assert store.rows(chosen[:0]).shape == (0, *GEOMETRY.stored, 3)


def test_a_process_that_is_not_forked_maps_the_shards_itself(photos: Photos, place: Path) -> None:
    store, _ = cache.build(photos, View(GEOMETRY), place)
    content = pickle.dumps(store)
    assert len(content) < 4000  # no pixels
    check(pickle.loads(content), photos)


def test_more_shards_than_files_may_be_open(photos: Photos, folder: Path, place: Path) -> None:
    prelude = "import resource; _, most = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
    prelude += "resource.setrlimit(resource.RLIMIT_NOFILE, (24, most))"
    process = run(prelude, folder, place, 0, COUNT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    check(cache.build(photos, View(GEOMETRY), place)[0], photos)


def test_a_cache_of_a_version_without_shards_is_replaced(
    photos: Photos, place: Path, decoded: list[object]
) -> None:
    cache.build(photos, View(GEOMETRY), place)
    (index,) = place.glob("*/index.sqlite")
    for path in index.parent.glob("*.u8"):
        path.unlink()
    for name in ("pixels.u8", "thumbnails.u8"):
        (index.parent / name).write_bytes(b"\0" * 900 * COUNT)
    with sqlite3.connect(index) as connection:
        connection.execute("ALTER TABLE pictures RENAME TO photos")
    decoded.clear()
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert (len(decoded), problems) == (COUNT, [])
    check(store, photos)
    assert not list(index.parent.glob("pixels.u8")) + list(index.parent.glob("thumbnails.u8"))


def test_a_place_that_no_picture_has_is_not_looked_at(photos: Photos, place: Path) -> None:
    cache.build(photos, View(GEOMETRY), place)
    (index,) = place.glob("*/index.sqlite")
    with sqlite3.connect(index) as connection:
        for slot, wrong in ((3, 10**12), (4, -1), (5, "x"), (6, None)):
            connection.execute("UPDATE pictures SET slot = ? WHERE slot = ?", (wrong, slot))
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert problems == []
    check(store, photos)


@pytest.mark.parametrize("table", ["files", "pictures"])
def test_an_index_damaged_in_the_middle_is_told(table: str, photos: Photos, place: Path) -> None:
    cache.build(photos, View(GEOMETRY), place)
    (index,) = place.glob("*/index.sqlite")
    with sqlite3.connect(index) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with open(index, "r+b") as file:
        file.seek(size * (page - 1))
        file.write(b"\x55" * size)
    with pytest.raises(MaskgateError, match="remove the folder: it is built again"):
        cache.build(photos, View(GEOMETRY), place)


@pytest.mark.slow
def test_two_processes_that_build_at_once_leave_one_right_cache(
    photos: Photos, folder: Path, place: Path, decoded: list[object]
) -> None:
    both = [run(SLOW, folder, place, *part) for part in ((0, 14), (7, COUNT))]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
    assert rows(place, "pictures") == rows(place, "files") == COUNT
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert (decoded, problems) == ([], [])
    assert sorted(store.slots) == list(range(COUNT))
    check(store, photos)


@pytest.mark.parametrize("after", [0, 6, 17])
def test_a_build_killed_half_way_is_taken_up(
    after: int, photos: Photos, folder: Path, place: Path, decoded: list[object]
) -> None:
    killed = run(KILLED.format(after=after), folder, place, 0, COUNT)
    killed.communicate(timeout=60)
    assert killed.returncode == 9
    known = rows(place, "files")
    assert known == rows(place, "pictures") == after // 4 * 4  # whole chunks of four
    store, problems = cache.build(photos, View(GEOMETRY), place)
    assert problems == []
    assert len(decoded) == COUNT - known
    check(store, photos)


def test_a_build_that_is_interrupted_is_taken_up(
    photos: Photos, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Path | bytes) -> Image.Image:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pixels, "decode", interrupted)
        cache.build(photos, View(GEOMETRY), place)
    store, _ = cache.build(photos, View(GEOMETRY), place)
    check(store, photos)


def test_statistics_equal_naive_mean_and_deviation(photos: Photos, place: Path) -> None:
    store, _ = cache.build(photos, View(GEOMETRY), place)
    chosen = np.array([3, 20, 7, 0])
    mean, deviation = cache.statistics(store, chosen)
    pictures = np.stack([store[row] for row in chosen]).astype(np.float64) / 255
    np.testing.assert_allclose(mean, pictures.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(deviation, pictures.std(axis=(0, 1, 2)))


def test_statistics_of_known_pictures() -> None:
    shade = np.array([[0, 51, 255], [0, 153, 255]], dtype=np.uint8)
    pictures = np.broadcast_to(shade[:, None, None], (2, 4, 3, 3))
    store = PhotoStore(Shards.of(pictures), Shards.of(pictures), np.arange(2), ["a", "b"])
    mean, deviation = cache.statistics(store, np.arange(2))
    np.testing.assert_allclose(mean, [0, 0.4, 1])
    np.testing.assert_allclose(deviation, [0, 0.2, 0], atol=1e-7)


def test_the_folder_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKGATE_CACHE", str(tmp_path / "own"))
    assert files.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("MASKGATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "maskgate"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert files.cache_folder() == Path.home() / ".cache" / "maskgate"
