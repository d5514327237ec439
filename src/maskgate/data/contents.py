"""Digests of photos' files, cached by the file's path and stamp."""

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
    """The digest of a file's content: BLAKE2, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


def file_digest(path: Path) -> bytes:
    """The `digest` of a file's content, which may be larger than memory. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


def read_photo(path: str, known: Collection[bytes]) -> tuple[bytes, Image.Image | None]:
    """The digest of the file and, unless it is among `known`, the photo. Raises PhotoError."""
    with pixels.reading(path) as content:
        content_digest = digest(content)
        return content_digest, None if content_digest in known else pixels.decode(content)


def read_all(
    paths: "pd.Series[str]",
    rows: Sequence[int],
    known: Collection[bytes],
    make: Callable[[bytes, Image.Image], T | str],
    size: int,
    what: str,
) -> Iterator[tuple[list[int], list[tuple[bytes | str, T | None]]]]:
    """Read photos on all cores, with progress, in chunks of `size` rows. For each row: the digest
    of its photo and what `make` returns for it, None if the digest is among `known`; or the reason
    why it cannot be read or used."""

    def read(row: int) -> tuple[bytes | str, T | None]:
        try:
            content_digest, image = read_photo(paths[row], known)
        except pixels.PhotoError as error:
            return str(error), None
        if image is None:
            return content_digest, None
        output = make(content_digest, image)
        return (output, None) if isinstance(output, str) else (content_digest, output)

    chunks = [list(rows[start : start + size]) for start in range(0, len(rows), size)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in track(chunks, what, len(rows), size=size):
            yield chunk, list(pool.map(read, chunk))


def file_table(photos: Photos, index: sqlite3.Connection) -> pd.DataFrame:
    """One row per photo: its `path`, `stamp` (see `files.stamp`), and the `digest` of its content
    if it is in the index, else None."""
    table = _stamped(photos)
    rows = index.execute("SELECT path, stamp, digest FROM files").fetchall()
    known = pd.DataFrame(rows, columns=["path", "stamp", "digest"], dtype=object)
    table = table.merge(known, on=["path", "stamp"], how="left")
    digests = [each if isinstance(each, bytes) else None for each in table["digest"]]
    return table.assign(digest=pd.Series(digests, dtype=object))


def remember(index: sqlite3.Connection, file_table: pd.DataFrame) -> None:
    """Store the digests of these rows of `file_table` in the index; None is skipped."""
    rows = file_table[file_table["digest"].notna()]
    columns = (rows[name].tolist() for name in ("path", "stamp", "digest"))
    index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", zip(*columns, strict=True))


@contextmanager
def open_index(folder: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Open the index of a folder in the cache, created if missing and locked for this process.

    It has the table `files` and those of `schema`. Errors of the disk or the index are raised as
    MaskgateError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"), closing(sqlite3.connect(folder / "index.sqlite")) as index:
            _drop_older(index)
            index.executescript(_FILES + schema)
            yield index
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(
                f"{folder}: the disk is full; free some space or name another folder with --cache"
            ) from error
        raise DiskError(
            f"{folder}: the cache cannot be written ({error.strerror}); name another folder with"
            " --cache"
        ) from error
    except sqlite3.Error as error:
        raise MaskgateError(
            f"{folder}: the cache's index fails ({error}); free some space, or remove the folder:"
            " it is built again"
        ) from error


def _drop_older(index: sqlite3.Connection) -> None:
    """Drop the table of files of an older version, whose stamps had no inodes.

    The files are read once more; results are found by their content.
    """
    columns = [name for _, name, *_ in index.execute("PRAGMA table_info(files)")]
    if columns and "stamp" not in columns:
        index.execute("DROP TABLE files")


def _stamped(photos: Photos) -> pd.DataFrame:
    root = os.path.abspath(photos.root)
    names = photos.table["photo"].tolist()
    outside_names = [
        n for n, leaves in zip(names, outside(names, photos.root), strict=True) if leaves
    ]
    if outside_names:
        raise MaskgateError(
            f"{photos.root}: {len(outside_names)} photos lie outside it ({listed(outside_names)});"
            " put them into the folder, or correct the names"
        )
    paths = [os.path.join(root, name) for name in names]
    stamps = []
    for path in paths:
        try:
            stamps.append(stamp(path))
        except OSError:
            stamps.append("")  # in no index; reading it raises the error
    return pd.DataFrame({"path": paths, "stamp": stamps}, dtype=object)
