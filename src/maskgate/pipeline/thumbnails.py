"""Thumbnails kept beside a run: what a later search for near-duplicates needs of its photos."""

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
    """Columns `digest` and `thumbnail` (a JPEG of 64×48 grey pixels), a row for each content;
    `thumbnails` gives the pictures of the rows of `digests` (N,)."""
    once = pd.Series(list(digests), dtype="str").drop_duplicates()
    starts = range(0, len(once), _CHUNK)
    pictures: list[bytes] = []
    for start in track(starts, f"keeping thumbnails (× {_CHUNK})", len(starts)):
        rows = once.index[start : start + _CHUNK].to_numpy(dtype=np.int64)
        pictures += [_jpeg(picture) for picture in thumbnails(rows)]
    return pd.DataFrame({"digest": once.to_numpy(), "thumbnail": pd.Series(pictures, dtype=object)})


def _jpeg(picture: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def write(path: Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write the rows of several tables as `encoded` makes them, each content once."""
    whole = pd.concat(tables, ignore_index=True).drop_duplicates("digest")
    files.replace(path, lambda beside: whole.to_parquet(beside, index=False))


def table_of(content: bytes, path: Path) -> pd.DataFrame:
    """The table that `write` has written, from the bytes of the file at `path`. Raises
    MaskgateError where it is damaged."""
    try:
        return pd.read_parquet(io.BytesIO(content))[["digest", "thumbnail"]]
    except Exception as error:  # of damaged content, parsers raise what they like
        raise _damaged(path) from error


def decoded(table: pd.DataFrame, path: Path) -> Pixels:
    """The pictures (N, 64, 48) of rows of the table at `path`. Raises MaskgateError."""
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
        f"{path}: missing or damaged, so near-duplicates of the run's photos cannot be looked for;"
        " copy the run anew, or train it again"
    )
