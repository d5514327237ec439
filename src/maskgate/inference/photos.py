"""What Python code may give as photos: paths, bytes, Pillow's images and arrays, one or many."""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskgate.errors import MaskgateError, printable
from maskgate.faces.reader import Photo

One = str | os.PathLike[str] | bytes | memoryview | IO[bytes] | Image.Image | npt.NDArray[np.uint8]
Given = One | Iterable[One]

_KINDS = "a path, a file's bytes, an open file, a PIL image or a uint8 array (H, W, 3)"
_BYTES = bytes | bytearray | memoryview


def named(given: Given) -> tuple[list[str], list[Photo]]:
    """N names and photos: of a path its text, of anything else `photo 0` and so on, by its place.

    Raises MaskgateError for what is no photo.
    """
    alone = isinstance(given, str | os.PathLike | _BYTES | Image.Image) or hasattr(given, "read")
    if alone or (isinstance(given, np.ndarray) and given.ndim < 4):
        given = [given]  # type: ignore[list-item]
    if not isinstance(given, Iterable):
        raise MaskgateError(
            f"photos: {type(given).__name__} is none; give {_KINDS}, or several of them in a list"
        )
    pairs = [_named(f"photo {place}", one) for place, one in enumerate(given)]
    return [name for name, _ in pairs], [photo for _, photo in pairs]


def _named(name: str, one: Any) -> tuple[str, Photo]:
    if isinstance(one, str | os.PathLike):
        path = Path(os.fsdecode(one))
        if path.is_dir():
            raise MaskgateError(f"{path}: is a folder; give the paths of the photos in it")
        return printable(str(path)), path
    if isinstance(one, _BYTES):
        return name, bytes(one)
    if isinstance(one, Image.Image):
        return name, one
    if hasattr(one, "read"):
        # Reading a photo as text would fail while it is decoded.
        if isinstance(one, io.TextIOBase) or not isinstance(content := one.read(), bytes):
            raise MaskgateError(f"{name}: a file opened as text; open it with mode 'rb'")
        return name, content
    if not isinstance(one, np.ndarray):
        raise MaskgateError(f"{name}: {type(one).__name__} is no photo; give {_KINDS}")
    if one.dtype != np.uint8 or one.ndim != 3 or one.shape[2] != 3 or not one.size:
        shape = " × ".join(map(str, one.shape)) or "no dimension"
        raise MaskgateError(
            f"{name}: an array of {shape} with values of type {one.dtype}; a photo is an array"
            " (H, W, 3) of uint8, red first, values from 0 to 255"
        )
    return name, Image.fromarray(np.ascontiguousarray(one))
