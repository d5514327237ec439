"""Decoded photos on disk, read through a memory map by workers, folds and runs alike.

One folder per stored size and crop holds `pixels.u8`, `thumbnails.u8` and `index.sqlite`. A photo
is found by its path, size and time of change; else by its content, so that a moved copy
is not decoded again. Pixels are written before the index names them: a build killed at
any moment leaves a cache that is whole and merely shorter.
"""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock

from maskgate import pixels
from maskgate.data import near_duplicates
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.pixels import Geometry, Pixels
from maskgate.progress import say, track

_CHUNK = 256  # photos decoded between two commits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (digest BLOB PRIMARY KEY, slot INTEGER UNIQUE) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, digest BLOB)
WITHOUT ROWID;
"""


def default_folder() -> Path:
    """`$MASKGATE_CACHE`, else `maskgate` in the user's cache folder."""
    own = os.environ.get("MASKGATE_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "maskgate")


@dataclass(frozen=True)
class PhotoStore:
    """Stored pictures of a photo table's rows.

    `pixels` (slots, H, W, 3) and `thumbnails` (slots, 64, 48) are memory maps; `slots` (N,)
    tells the place of each row; `digests` (N,) are the contents' BLAKE2 hashes in hex.
    """

    pixels: Pixels
    thumbnails: Pixels
    slots: npt.NDArray[np.int64]
    digests: list[str]

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, row: int) -> Pixels:
        """The stored picture (H, W, 3) of one row of the table."""
        return self.pixels[self.slots[row]]


def joined(stores: Sequence[PhotoStore]) -> PhotoStore:
    """One store of the rows of several, in order, that were built in one folder."""
    # Each build may have made the files longer: the longest map holds every slot.
    longest = max(stores, key=lambda store: len(store.pixels))
    return PhotoStore(
        longest.pixels,
        longest.thumbnails,
        np.concatenate([store.slots for store in stores]),
        [digest for store in stores for digest in store.digests],
    )


def statistics(store: PhotoStore, rows: npt.NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, of values 0–1, over all pixels of the rows."""
    counts = np.zeros((3, 256), dtype=np.int64)  # of each value, per channel
    for row in track(rows, "measuring colours", len(rows)):
        for channel, values in zip(counts, np.moveaxis(store[row], -1, 0), strict=True):
            channel += np.bincount(values.ravel(), minlength=256)
    share = counts / counts.sum(1, keepdims=True)
    levels = np.arange(256) / 255
    mean = share @ levels
    return mean.tolist(), np.sqrt(share @ levels**2 - mean**2).tolist()


def build(photos: Photos, geometry: Geometry, folder: Path) -> tuple[PhotoStore, list[Problem]]:
    """The store of all readable `photos`, and a fatal problem for each that is not.

    The store's rows are those of ``photos.without(problems)``. Two runs that build at once
    take turns. Raises MaskgateError where the disk is full or cannot be written.
    """
    height, width = geometry.stored
    place = folder / _name(geometry)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock"), closing(sqlite3.connect(place / "index.sqlite")) as index:
            index.executescript(_SCHEMA)
            digests, problems = _fill(place, index, photos, geometry)
            slot_of = dict(index.execute("SELECT digest, slot FROM photos"))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MaskgateError(
                f"{place}: the disk is full; free some space or name another folder with --cache"
            ) from error
        raise MaskgateError(
            f"{place}: the cache cannot be written ({error.strerror}); name another folder with"
            " --cache"
        ) from error
    except sqlite3.Error as error:
        raise MaskgateError(
            f"{place}: the cache's index fails ({error}); free some space, or remove the folder:"
            " it is built anew"
        ) from error
    slots = np.array([slot_of[digest] for digest in digests], dtype=np.int64)
    store = PhotoStore(
        _map(place / "pixels.u8", (height, width, 3)),
        _map(place / "thumbnails.u8", near_duplicates.THUMBNAIL),
        slots,
        [digest.hex() for digest in digests],
    )
    return store, problems


def _name(geometry: Geometry) -> str:
    """Of the folder for all photos that are stored alike."""
    height, width = geometry.stored
    crop = f"-crop{geometry.crop}" if geometry.crop != 1 else ""
    return f"{height}x{width}{crop}-v{pixels.VERSION}"


def _map(path: Path, shape: tuple[int, ...], mode: str = "r") -> Pixels:
    if not path.exists() or not path.stat().st_size:
        return np.empty((0, *shape), dtype=np.uint8)
    count = path.stat().st_size // int(np.prod(shape))
    return np.memmap(path, dtype=np.uint8, mode=mode, shape=(count, *shape))  # type: ignore[call-overload]


def _fill(
    place: Path, index: sqlite3.Connection, photos: Photos, geometry: Geometry
) -> tuple[list[bytes], list[Problem]]:
    """Digests of the readable photos in the table's order, and the unreadable ones."""
    files = _stat(photos)
    known = pd.read_sql_query("SELECT * FROM files", index)
    files = files.merge(known, on=["path", "size", "changed"], how="left")
    digest: list[bytes | None] = [d if isinstance(d, bytes) else None for d in files["digest"]]
    have = {d for (d,) in index.execute("SELECT digest FROM photos")}
    missing = [row for row, d in enumerate(digest) if d is None]
    reasons: dict[int, str] = {}
    if missing:
        free = index.execute("SELECT COALESCE(MAX(slot) + 1, 0) FROM photos").fetchone()[0]
        shapes = {"pixels.u8": (*geometry.stored, 3), "thumbnails.u8": near_duplicates.THUMBNAIL}
        for name, shape in shapes.items():
            _reserve(place / name, (free + len(missing)) * int(np.prod(shape)))
        maps = [_map(place / name, shape, "r+") for name, shape in shapes.items()]
        say(f"reading {len(missing)} photos into {place}")
        for rows, results in _decoded(files["path"], missing, have, geometry):
            new = []
            for row, (content, pictures) in zip(rows, results, strict=True):
                if isinstance(content, str):
                    reasons[row] = content
                    continue
                digest[row] = content
                if pictures is not None and content not in have:
                    for target, picture in zip(maps, pictures, strict=True):
                        target[free] = picture
                    have.add(content)
                    new.append((content, free))
                    free += 1
            for target in maps:
                target.flush()  # type: ignore[attr-defined]
            index.executemany("INSERT INTO photos VALUES (?, ?)", new)
            index.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                [
                    (
                        files["path"][row],
                        int(files["size"][row]),
                        int(files["changed"][row]),
                        digest[row],
                    )
                    for row in rows
                    if digest[row] is not None
                ],
            )
            index.commit()
    names = photos.table["photo"]
    problems = [Problem("unreadable photo", names[row], why, True) for row, why in reasons.items()]
    return [d for d in digest if d is not None], problems


def _stat(photos: Photos) -> pd.DataFrame:
    root = os.path.abspath(photos.root)
    paths = [os.path.join(root, name) for name in photos.table["photo"]]
    found = []
    for path in paths:
        try:
            stat = os.stat(path)
            found.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append((-1, -1))  # in no index; reading it tells why
    columns = pd.DataFrame(found, columns=["size", "changed"], dtype="int64")
    return columns.assign(path=paths)


def _reserve(path: Path, size: int) -> None:
    """Take the space now, so that a full disk is told before hours of work are written."""
    path.touch()
    with open(path, "rb+") as file:
        if size > os.fstat(file.fileno()).st_size:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:  # macOS: the file grows, but a full disk is told only later
                file.truncate(size)


_Result = tuple[bytes | str, tuple[Pixels, Pixels] | None]


def _decoded(
    paths: "pd.Series[str]", rows: list[int], have: set[bytes], geometry: Geometry
) -> Iterator[tuple[list[int], list[_Result]]]:
    def read(row: int) -> _Result:
        try:
            with open(paths[row], "rb") as file:
                content = file.read()
        except OSError as error:
            return (error.strerror or str(error)).lower(), None
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if digest in have:
            return digest, None
        try:
            image = pixels.decode(content)
        except pixels.PhotoError as error:
            return str(error), None
        stored = pixels.resize(image, *geometry.stored, geometry.crop)
        return digest, (stored, near_duplicates.thumbnail(image))

    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in track(chunks, "reading photos (× 256)", len(chunks)):
            yield chunk, list(pool.map(read, chunk))
