"""Cache of decoded photos on disk, memory-mapped and shared by workers, folds and runs.

One folder per view (stored size, crop, faces) holds `pixels.u8`, `thumbnails.u8` and
`index.sqlite`. A photo is looked up by its path and stamp (`files.stamp`), then by its content, so
that a moved copy is not decoded again. Pixels are written before the index lists them: a build
that is killed leaves a valid, shorter cache. If the files are shorter than the index says, the
missing photos are decoded again.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from maskgate.core.progress import log, track
from maskgate.data import contents, near_duplicates
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.faces.boxes import Boxes
from maskgate.faces.view import View
from maskgate.imaging.pixels import Pixels

_CHUNK = 256  # photos decoded between two commits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (digest BLOB PRIMARY KEY, slot INTEGER UNIQUE) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class PhotoStore:
    """Stored pictures of a photo table's rows.

    `pixels` (slots, H, W, 3) and `thumbnails` (slots, 64, 48) are memory maps; `slots` (N,) is
    each row's slot in them; `digests` (N,) are the contents' BLAKE2 hashes in hex.
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

    def thumbnails_of(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """The thumbnails (n, 64, 48) of n rows of the table."""
        return self.thumbnails[self.slots[rows]]


def joined(stores: Sequence[PhotoStore]) -> PhotoStore:
    """One store with the rows of several stores from the same folder, in order."""
    # Each build may have extended the files: the longest map has every slot.
    longest = max(stores, key=lambda store: len(store.pixels))
    return PhotoStore(
        longest.pixels,
        longest.thumbnails,
        np.concatenate([store.slots for store in stores]),
        [digest for store in stores for digest in store.digests],
    )


def statistics(store: PhotoStore, rows: npt.NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, of values 0–1, over all pixels of the rows."""
    counts = np.zeros((3, 256), dtype=np.int64)  # per channel and value
    for row in track(rows, "measuring colours", len(rows)):
        for channel, values in zip(counts, np.moveaxis(store[row], -1, 0), strict=True):
            channel += np.bincount(values.ravel(), minlength=256)
    share = counts / counts.sum(1, keepdims=True)
    levels = np.arange(256) / 255
    mean = share @ levels
    return mean.tolist(), np.sqrt(share @ levels**2 - mean**2).tolist()


def build(
    photos: Photos, view: View, folder: Path, boxes: Boxes | None = None
) -> tuple[PhotoStore, list[Problem]]:
    """The store of all readable `photos`, and a fatal problem for each unreadable one.

    The store's rows are those of ``photos.without(problems)``. `boxes` are the photos' faces, if
    the view crops faces. Runs that build at the same time wait for each other. Raises MaskgateError
    if the disk is full or not writable.
    """
    height, width = view.geometry.stored
    place = folder / view.name
    with contents.open_index(place, _SCHEMA) as index:
        digests, problems = _fill(place, index, photos, view=view, boxes=boxes)
        slot_of = dict(index.execute("SELECT digest, slot FROM photos"))
    slots = np.array([slot_of[digest] for digest in digests], dtype=np.int64)
    store = PhotoStore(
        _map(place / "pixels.u8", (height, width, 3)),
        _map(place / "thumbnails.u8", near_duplicates.THUMBNAIL),
        slots,
        [digest.hex() for digest in digests],
    )
    return store, problems


def _map(path: Path, shape: tuple[int, ...], mode: str = "r") -> Pixels:
    if not path.exists() or not path.stat().st_size:
        return np.empty((0, *shape), dtype=np.uint8)
    count = path.stat().st_size // int(np.prod(shape))
    return np.memmap(path, dtype=np.uint8, mode=mode, shape=(count, *shape))  # type: ignore[call-overload]


def _fill(
    place: Path, index: sqlite3.Connection, photos: Photos, view: View, boxes: Boxes | None
) -> tuple[list[bytes], list[Problem]]:
    """Digests of the readable photos in the table's order, and the unreadable ones."""
    shapes = {
        "pixels.u8": (*view.geometry.stored, 3),
        "thumbnails.u8": near_duplicates.THUMBNAIL,
    }
    _remove_missing(index, min(len(_map(place / name, shape)) for name, shape in shapes.items()))
    stored_digests = {d for (d,) in index.execute("SELECT digest FROM photos")}
    files = contents.file_table(photos, index)
    known_digests = [d if d in stored_digests else None for d in files["digest"]]
    files = files.assign(digest=pd.Series(known_digests, dtype=object))
    missing = [row for row, d in enumerate(known_digests) if d is None]
    reasons: dict[int, str] = {}
    if missing:
        digest: list[bytes | None] = files["digest"].tolist()
        free = index.execute("SELECT COALESCE(MAX(slot) + 1, 0) FROM photos").fetchone()[0]
        for name, shape in shapes.items():
            _reserve(place / name, (free + len(missing)) * int(np.prod(shape)))
        maps = [_map(place / name, shape, "r+") for name, shape in shapes.items()]
        log(f"reading {len(missing)} photos into {place}")
        for rows, results in _decoded(
            files["path"], missing, stored_digests, view=view, boxes=boxes
        ):
            new = []
            for row, (content, pictures) in zip(rows, results, strict=True):
                if isinstance(content, str):
                    reasons[row] = content
                    continue
                digest[row] = content
                if pictures is not None and content not in stored_digests:
                    for target, picture in zip(maps, pictures, strict=True):
                        target[free] = picture
                    stored_digests.add(content)
                    new.append((content, free))
                    free += 1
            for target in maps:
                target.flush()  # type: ignore[attr-defined]
            index.executemany("INSERT INTO photos VALUES (?, ?)", new)
            known = pd.Series([digest[row] for row in rows], index=rows, dtype=object)
            contents.remember(index, files.iloc[rows].assign(digest=known))
            index.commit()
        files = files.assign(digest=pd.Series(digest, dtype=object))
    names = photos.table["photo"]
    problems = [
        Problem("unreadable photo", names[row], reason, True) for row, reason in reasons.items()
    ]
    return [d for d in files["digest"] if d is not None], problems


def _remove_missing(index: sqlite3.Connection, count: int) -> None:
    """Remove photos from the index whose slot is not among the `count` stored pictures."""
    lost = "typeof(slot) != 'integer' OR slot < 0 OR slot >= ?"
    index.execute(f"DELETE FROM photos WHERE {lost}", (count,))


def _reserve(path: Path, size: int) -> None:
    """Allocate the space now, so that a full disk is reported before hours of work."""
    path.touch()
    with open(path, "rb+") as file:
        if size > os.fstat(file.fileno()).st_size:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:  # macOS: the file grows, but a full disk is reported only later
                file.truncate(size)


_Stored = tuple[Pixels, Pixels]  # the picture, and the thumbnail of the whole photo


def _decoded(
    paths: "pd.Series[str]",
    rows: list[int],
    stored_digests: set[bytes],
    view: View,
    boxes: Boxes | None,
) -> Iterator[tuple[list[int], list[tuple[bytes | str, _Stored | None]]]]:
    def pictures_of(digest: bytes, image: Image.Image) -> _Stored | str:
        faces = None if boxes is None else boxes.faces(digest)
        if boxes is not None and faces is None:
            return "changed while it was read"
        return view.stored(image, faces), near_duplicates.thumbnail(image)

    return contents.read_all(
        paths, rows, stored_digests, make=pictures_of, size=_CHUNK, what="reading photos"
    )
