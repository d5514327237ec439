"""What is in a photo's file: a digest of it, remembered by the file's path and stamp."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import pandas as pd
from filelock import FileLock
from PIL import Image

from maskgate.core.files import outside, stamp
from maskgate.core.progress import track
from maskgate.data.table import Photos
from maskgate.errors import DiskError, DiskFullError, MaskgateError, is_disk_full, listed
from maskgate.imaging import pixels

T = TypeVar("T")

_FILES: Final = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, digest BLOB) WITHOUT ROWID;
"""


def digest(content: bytes) -> bytes:
    """What tells one file's content from another's: BLAKE2, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


def of_file(path: Path) -> bytes:
    """The `digest` of a file's content, however long it is. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


def photo(path: str, known: Collection[bytes]) -> tuple[bytes, Image.Image | None]:
    """The digest of the file and, unless that is `known`, the photo in it. Raises PhotoError."""
    with pixels.reading(path) as content:
        found = digest(content)
        return found, None if found in known else pixels.decode(content)


def read_all(
    paths: "pd.Series[str]",
    rows: Sequence[int],
    known: Collection[bytes],
    make: Callable[[bytes, Image.Image], T | str],
    size: int,
    what: str,
) -> Iterator[tuple[list[int], list[tuple[bytes | str, T | None]]]]:
    """Chunks of `size` rows, read with all cores and progress: of each the digest of its photo and
    what `make` makes of it, None where it is `known`; or why it cannot be read or used."""

    def read(row: int) -> tuple[bytes | str, T | None]:
        try:
            found, image = photo(paths[row], known)
        except pixels.PhotoError as error:
            return str(error), None
        if image is None:
            return found, None
        made = make(found, image)
        return (made, None) if isinstance(made, str) else (found, made)

    chunks = [list(rows[start : start + size]) for start in range(0, len(rows), size)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in track(chunks, f"{what} (× {size})", len(chunks)):
            yield chunk, list(pool.map(read, chunk))


def files(photos: Photos, index: sqlite3.Connection) -> pd.DataFrame:
    """A row a photo of the table: its `path`, `stamp` (see `files.stamp`), and the `digest` of its
    content where the index knows it, else None."""
    told = _stamped(photos)
    rows = index.execute("SELECT path, stamp, digest FROM files").fetchall()
    known = pd.DataFrame(rows, columns=["path", "stamp", "digest"], dtype=object)
    told = told.merge(known, on=["path", "stamp"], how="left")
    digests = [each if isinstance(each, bytes) else None for each in told["digest"]]
    return told.assign(digest=pd.Series(digests, dtype=object))


def remember(index: sqlite3.Connection, files: pd.DataFrame) -> None:
    """Let the index know the digests of these rows of `files`, less those that have none."""
    rows = files[files["digest"].notna()]
    columns = (rows[name].tolist() for name in ("path", "stamp", "digest"))
    index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", zip(*columns, strict=True))


@contextmanager
def opened(place: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """The index of a folder of the cache, made where there is none, for us alone.

    Others wait. It has the table of `files` and those of `schema`. What goes wrong with the disk
    or the index is a MaskgateError.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock"), closing(sqlite3.connect(place / "index.sqlite")) as index:
            _drop_older(index)
            index.executescript(_FILES + schema)
            yield index
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"{place}: the disk is full; free some space or name another folder with --cache"
            ) from error
        raise DiskError(
            f"{place}: the cache cannot be written ({error.strerror}); name another folder with"
            " --cache"
        ) from error
    except sqlite3.Error as error:
        raise MaskgateError(
            f"{place}: the cache's index fails ({error}); free some space, or remove the folder:"
            " it is built anew"
        ) from error


def _drop_older(index: sqlite3.Connection) -> None:
    """Drop the table of files of an older version, which held sizes and times without inodes.

    The files are read once more, and their photos found by content.
    """
    columns = [name for _, name, *_ in index.execute("PRAGMA table_info(files)")]
    if columns and "stamp" not in columns:
        index.execute("DROP TABLE files")


def _stamped(photos: Photos) -> pd.DataFrame:
    root = os.path.abspath(photos.root)
    names = photos.table["photo"].tolist()
    out = [n for n, leaves in zip(names, outside(names, photos.root), strict=True) if leaves]
    if out:
        raise MaskgateError(
            f"{photos.root}: {len(out)} photos are named that lie outside it ({listed(out)}); put"
            " them into the folder, or correct the names"
        )
    paths = [os.path.join(root, name) for name in names]
    stamps = []
    for path in paths:
        try:
            stamps.append(stamp(path))
        except OSError:
            stamps.append("")  # in no index; reading it tells why
    return pd.DataFrame({"path": paths, "stamp": stamps}, dtype=object)
