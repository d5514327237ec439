"""Thumbnails kept in a run, so that later runs can search its photos for near-duplicates."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from PIL import Image

from maskgate.core import files
from maskgate.core.progress import track
from maskgate.data.near_duplicates import THUMBNAIL, Thumbnails
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels

_QUALITY: Final = 90  # of the JPEG: about a kilobyte each
_CHUNK: Final = 1024
_NONE: Final = np.zeros(THUMBNAIL, dtype=np.uint8)


def encoded(digests: Sequence[str], thumbnails: Thumbnails) -> pd.DataFrame:
    """Columns `digest` and `thumbnail` (a JPEG of 64×48 grey pixels), one row per content.

    `thumbnails` returns the pictures of rows of `digests` (N,).
    """
    unique = pd.Series(list(digests), dtype="str").drop_duplicates()
    starts = range(0, len(unique), _CHUNK)
    pictures: list[bytes] = []
    for start in track(starts, "keeping thumbnails", len(unique), size=_CHUNK):
        rows = unique.index[start : start + _CHUNK].to_numpy(dtype=np.int64)
        pictures += [_jpeg(picture) for picture in thumbnails(rows)]
    return pd.DataFrame(
        {"digest": unique.to_numpy(), "thumbnail": pd.Series(pictures, dtype=object)}
    )


def _jpeg(picture: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def write(path: Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write the rows of several tables made by `encoded`, each content once."""
    table = pd.concat(tables, ignore_index=True).drop_duplicates("digest")
    files.replace(path, lambda part: table.to_parquet(part, index=False))


def table_of(content: bytes, path: Path) -> pd.DataFrame:
    """The table from `content`, the bytes of the file at `path` that `write` has written.

    Raises MaskgateError where it is damaged.
    """
    try:
        return pd.read_parquet(io.BytesIO(content))[["digest", "thumbnail"]]
    except Exception as error:  # for damaged content, parsers raise anything
        raise _damaged(path) from error


def decoded(table: pd.DataFrame, path: Path) -> Pixels:
    """The pictures (N, 64, 48) of rows of the table from `path`. Raises MaskgateError."""
    try:
        pictures = [_picture(content) for content in table["thumbnail"]]
        return np.stack([_NONE, *pictures])[1:]
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path) from error


def _picture(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
        return np.asarray(image.convert("L"))


def _damaged(path: Path) -> MaskgateError:
    return MaskgateError(
        f"{path}: missing or damaged, so the run's photos cannot be searched for near-duplicates;"
        " copy the run again, or train it again"
    )
