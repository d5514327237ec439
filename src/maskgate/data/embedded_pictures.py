"""Writes the pictures inside Parquet and Arrow files into the cache, once for each content."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pyarrow as pa

from maskgate.core import files
from maskgate.core.progress import say, track
from maskgate.data.contents import file_digest
from maskgate.errors import disk_error
from maskgate.imaging.photo_files import has_photo_suffix

_LONGEST: Final = 200  # bytes of a file name
_COUNT: Final = ".count"  # a file with the number of pictures, in a folder that is complete


@dataclass(frozen=True)
class Pictures:
    """The pictures in a `column` of files, which `has_paths` if it also gives their file names.

    `batches` gives the rows of a file with some columns; `image.path` is a part of the struct
    `image`.
    """

    shards: Sequence[Path]
    column: str
    has_paths: bool
    batches: Callable[[Path, list[str]], Iterator[pa.RecordBatch]]


def is_column(field: pa.Field) -> bool:
    """Whether a column has pictures: binary values, or structs with `bytes`, as in `datasets`."""
    kind = field.type
    if pa.types.is_struct(kind):
        return any(inner.name == "bytes" and _is_binary(inner.type) for inner in kind)
    return _is_binary(kind)


def has_paths(field: pa.Field) -> bool:
    """Whether a column of pictures also gives their file names."""
    return pa.types.is_struct(field.type) and "path" in [inner.name for inner in field.type]


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def extract(pictures: Pictures, folder: Path, cache: Path | None) -> tuple[Path, list[str]]:
    """The folder of the pictures' files, and the name of each picture in it, "" for a row without.

    They are written into `cache`, in a folder named after the content of the shards, unless they
    are there. If no row has bytes, they are the files that the rows name, relative to `folder`.
    Raises MaskgateError.
    """
    paths = list(_paths(pictures))
    names = _file_names(paths)
    root = (cache or files.cache_folder()) / "pictures" / _digest(pictures)
    written = _written(root)
    if written is None:
        written = _write(pictures, names, root)
    if not written:
        return folder, paths
    return root, [name if name in written else "" for name in names]


def _paths(pictures: Pictures) -> Iterator[str]:
    """The path that each row gives for its picture, "" where it gives none."""
    for shard in pictures.shards:
        for batch in pictures.batches(shard, [f"{pictures.column}.path"] * pictures.has_paths):
            if not batch.num_columns:
                yield from [""] * batch.num_rows
            else:
                yield from (row["path"] or "" if row else "" for row in batch.column(0).to_pylist())


def _file_names(paths: Sequence[str]) -> list[str]:
    """A file name for each picture: that of its path if all are usable and differ, else numbers."""
    names = [PurePosixPath(path.replace("\\", "/")).name for path in paths]
    if all(map(_is_usable, names)) and len({name.casefold() for name in names}) == len(names):
        return names
    digits = len(str(len(names)))
    return [
        f"{row:0{digits}d}{suffix if has_photo_suffix(name) else '.jpg'}"
        for row, name in enumerate(names)
        for suffix in [PurePosixPath(name).suffix.lower()]
    ]


def _is_usable(name: str) -> bool:
    return (
        0 < len(name.encode("utf-8", "replace")) <= _LONGEST
        and name[0] != "."
        and name.isprintable()
        and has_photo_suffix(name)
    )


def _digest(pictures: Pictures) -> str:
    """A hash of the files' content and the column, in hex."""
    total = hashlib.blake2b(pictures.column.encode(), digest_size=16)
    for shard in track(pictures.shards, "reading tables", len(pictures.shards)):
        try:
            total.update(file_digest(shard))
        except OSError as error:
            raise disk_error(error, shard) from error
    return total.hexdigest()


def _written(root: Path) -> set[str] | None:
    """The names of the pictures in a folder that is complete; None if it is not."""
    counted = root / _COUNT
    if not counted.is_file():
        return None
    names = {path.name for path in root.iterdir()} - {_COUNT}
    return names if str(len(names)) == counted.read_text("utf-8") else None


def _write(pictures: Pictures, names: Sequence[str], root: Path) -> set[str]:
    """Write the pictures that rows have, and return their names."""
    say(f"writing the pictures of {pictures.shards[0].parent} into {root}")
    written: set[str] = set()
    remaining = iter(track(names, "writing pictures", len(names)))
    with files.staged_folder(root) as folder:
        for shard in pictures.shards:
            for batch in pictures.batches(shard, [pictures.column]):
                for value in batch.column(0).to_pylist():
                    name = next(remaining)
                    content = value.get("bytes") if isinstance(value, dict) else value
                    if content:
                        (folder / name).write_bytes(content)
                        written.add(name)
        next(remaining, None)
        (folder / _COUNT).write_text(str(len(written)), "utf-8")
        if _written(root) is None:  # another process may have been faster
            shutil.rmtree(root, ignore_errors=True)
            folder.rename(root)
    return written
