"""Cache of decoded photos on disk, memory-mapped and shared by workers, folds and runs.

One folder per view (stored size, crop, faces) holds the photos' pictures and thumbnails in shards
(`pixels-00000.u8`, `thumbnails-00000.u8` …; see `shards.py`) and `index.sqlite`. A photo is looked
up by its path and stamp (`files.stamp`), then by its content, so that a moved copy is not decoded
again. Pixels are written before the index lists them: a build that is killed leaves a valid,
shorter cache. If shards are missing, or shorter than the index says, the missing photos alone are
decoded again, into new slots: what another process has mapped is never written again.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from maskgate.core.progress import log, track
from maskgate.data import checks, contents, near_duplicates
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.faces.boxes import Boxes
from maskgate.faces.view import View
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline.shards import ShardFolder, Shards

_CHUNK = 256  # photos decoded between two commits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (digest BLOB PRIMARY KEY, slot INTEGER UNIQUE) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS next_slot (slot INTEGER);
"""
_OLDER = ("pixels.u8", "thumbnails.u8")  # of versions without shards, as is the table `photos`


@dataclass(frozen=True)
class PhotoStore:
    """Stored pictures of a photo table's rows.

    `pictures` (H, W, 3) and `thumbnails` (64, 48) lie in shards; `slots` (N,) is each row's slot
    in them; `digests` (N,) are the contents' BLAKE2 hashes in hex.
    """

    pictures: Shards
    thumbnails: Shards
    slots: npt.NDArray[np.int64]
    digests: list[str]

    def __len__(self) -> int:
        return len(self.slots)

    def __getitem__(self, row: int) -> Pixels:
        """The stored picture (H, W, 3) of one row of the table, read-only."""
        return self.pictures[self.slots[row]]

    def rows(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """The stored pictures (n, H, W, 3) of n rows of the table: a copy, which may be changed."""
        return self.pictures.take(self.slots[rows])

    def prefetch(self, rows: npt.NDArray[np.int64]) -> None:
        """Have the disk read the pictures of n rows of the table, without waiting for it."""
        self.pictures.prefetch(self.slots[rows].tolist())

    def thumbnails_of(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """The thumbnails (n, 64, 48) of n rows of the table."""
        return self.thumbnails.take(self.slots[rows])


def joined(stores: Sequence[PhotoStore]) -> PhotoStore:
    """One store with the rows of several stores from the same folder, in the order in which they
    were built."""
    last = stores[-1]  # it was opened after all had been written
    return PhotoStore(
        last.pictures,
        last.thumbnails,
        np.concatenate([store.slots for store in stores]),
        [digest for store in stores for digest in store.digests],
    )


def statistics(store: PhotoStore, rows: npt.NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, of values 0–1, over all pixels of the rows."""
    counts = np.zeros((3, 256), dtype=np.int64)  # per channel and value
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    for chunk in track(chunks, "measuring colours", len(rows), size=_CHUNK):
        for channel, values in zip(counts, np.moveaxis(store.rows(chunk), -1, 0), strict=True):
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
    place = folder / view.name
    shards = (
        ShardFolder(place, "pixels", (*view.geometry.stored, 3)),
        ShardFolder(place, "thumbnails", near_duplicates.THUMBNAIL),
    )
    with contents.open_index(place, _SCHEMA) as index:
        _remove_older(place, index)
        _forget_missing(index, shards)
        digests, problems = _fill(shards, index, photos, view=view, boxes=boxes)
        slot_of = dict(index.execute("SELECT digest, slot FROM pictures"))
        pictures, thumbnails = (each.open() for each in shards)
    slots = np.array([slot_of[digest] for digest in digests], dtype=np.int64)
    return PhotoStore(pictures, thumbnails, slots, [each.hex() for each in digests]), problems


def _remove_older(place: Path, index: sqlite3.Connection) -> None:
    """Remove what a version without shards has cached: its pictures are decoded once more."""
    for name in _OLDER:
        (place / name).unlink(missing_ok=True)
    index.execute("DROP TABLE IF EXISTS photos")


def _forget_missing(index: sqlite3.Connection, shards: Sequence[ShardFolder]) -> None:
    """Remove pictures from the index whose slots are not in the shards. It is done before anything
    is written: a build that is killed would else leave slots that are listed and empty."""
    (end,) = index.execute("SELECT slot FROM next_slot").fetchone() or (0,)
    for each in shards:
        lost = "typeof(slot) != 'integer' OR slot < 0 OR slot >= ?"
        index.execute(f"DELETE FROM pictures WHERE {lost}", (len(each.counts()) * each.per_shard,))
        for gap in each.missing():
            index.execute("DELETE FROM pictures WHERE slot >= ? AND slot < ?", gap)
    if not index.execute("SELECT COUNT(*) FROM pictures").fetchone()[0]:
        end = 0
        for each in shards:
            each.remove()
    _set_next_slot(index, end)
    index.commit()


def _set_next_slot(index: sqlite3.Connection, slot: int) -> None:
    """Remember the first slot that never had a picture."""
    index.execute("DELETE FROM next_slot")
    index.execute("INSERT INTO next_slot VALUES (?)", (slot,))


_Stored = tuple[Pixels, Pixels]  # the picture, and the thumbnail of the whole photo


def _fill(
    shards: Sequence[ShardFolder],
    index: sqlite3.Connection,
    photos: Photos,
    view: View,
    boxes: Boxes | None,
) -> tuple[list[bytes], list[Problem]]:
    """Digests of the readable photos in the table's order, and the unreadable ones."""
    stored_digests = {d for (d,) in index.execute("SELECT digest FROM pictures")}
    files = contents.file_table(photos, index)
    digests = [d if d in stored_digests else None for d in files["digest"]]
    missing = [row for row, d in enumerate(digests) if d is None]
    problems = []
    if missing:
        next_slot = _reserve(shards, index, len(missing))
        log(f"reading {len(missing)} photos into {shards[0].folder}")
        for rows, results in _decoded(
            files["path"], missing, stored_digests, view=view, boxes=boxes
        ):
            new_pictures: dict[bytes, _Stored] = {}
            for row, (content, pictures) in zip(rows, results, strict=True):
                if isinstance(content, str):
                    problems.append(checks.unreadable(photos.table["photo"].iloc[row], content))
                    continue
                digests[row] = content
                if pictures is not None:  # equal photos of a chunk share one slot
                    new_pictures[content] = pictures
            next_slot = _write(shards, index, new_pictures, next_slot)
            stored_digests.update(new_pictures)  # equal photos of later chunks are not decoded
            chunk_digests = pd.Series([digests[row] for row in rows], index=rows, dtype=object)
            contents.remember(index, files.iloc[rows].assign(digest=chunk_digests))
            index.commit()
    return [d for d in digests if d is not None], problems


def _reserve(shards: Sequence[ShardFolder], index: sqlite3.Connection, count: int) -> int:
    """Reserve `count` slots after all that ever had a picture; the first of them."""
    ((first,),) = index.execute("SELECT slot FROM next_slot")
    for each in shards:
        each.reserve(np.arange(first, first + count))
    return first


def _write(
    shards: Sequence[ShardFolder],
    index: sqlite3.Connection,
    new_pictures: Mapping[bytes, _Stored],
    first: int,
) -> int:
    """Write pictures, by their digests, into the slots from `first` on, and then list them in the
    index; the next slot."""
    slot_of = {digest: slot for slot, digest in enumerate(new_pictures, first)}
    for digest, pictures in new_pictures.items():
        for target, picture in zip(shards, pictures, strict=True):
            target.write(slot_of[digest], picture)
    for target in shards:
        target.flush()
    index.executemany("INSERT INTO pictures VALUES (?, ?)", slot_of.items())
    next_slot = first + len(new_pictures)
    _set_next_slot(index, next_slot)
    return next_slot


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
