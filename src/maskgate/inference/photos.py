"""The photos that Python code may pass: paths, folders, bytes, Pillow images and arrays, one or
many."""

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
from maskgate.imaging import photo_files

PhotoInput = (
    str | os.PathLike[str] | bytes | memoryview | IO[bytes] | Image.Image | npt.NDArray[np.uint8]
)
PhotoInputs = PhotoInput | Iterable[PhotoInput]

_KINDS = "a path, a folder, a file's bytes, an open file, a PIL image or a uint8 array (H, W, 3)"
_BYTES = bytes | bytearray | memoryview


def read_inputs(photos: PhotoInputs) -> tuple[list[str], list[Photo]]:
    """N names and photos. A path is named by its text, anything else `photo 0` and so on. A folder
    stands for the photos in it and in its subfolders.

    Raises MaskgateError for anything that is not a photo, and for a folder without any.
    """
    alone = isinstance(photos, str | os.PathLike | _BYTES | Image.Image) or hasattr(photos, "read")
    if alone or (isinstance(photos, np.ndarray) and photos.ndim < 4):
        photos = [photos]  # type: ignore[list-item]
    if not isinstance(photos, Iterable):
        raise MaskgateError(
            f"photos: {type(photos).__name__} is no photo; give {_KINDS}, or several of them in a"
            " list"
        )
    pairs = [
        pair for place, one in enumerate(photos) for pair in _read_input(f"photo {place}", one)
    ]
    return [name for name, _ in pairs], [photo for _, photo in pairs]


def _read_input(name: str, photo: Any) -> list[tuple[str, Photo]]:
    if isinstance(photo, str | os.PathLike):
        path = Path(os.fsdecode(photo))
        paths = photo_files.list_photos([path]) if path.is_dir() else [path]
        return [(printable(str(each)), each) for each in paths]
    return [(name, _without_path(name, photo))]


def _without_path(name: str, photo: Any) -> Photo:
    if isinstance(photo, _BYTES):
        return bytes(photo)
    if isinstance(photo, Image.Image):
        return photo
    if hasattr(photo, "read"):
        # Reading a photo as text would fail while it is decoded.
        if isinstance(photo, io.TextIOBase) or not isinstance(content := photo.read(), bytes):
            raise MaskgateError(f"{name}: a file opened as text; open it with mode 'rb'")
        return content
    if not isinstance(photo, np.ndarray):
        raise MaskgateError(f"{name}: {type(photo).__name__} is no photo; give {_KINDS}")
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        shape = " × ".join(map(str, photo.shape)) or "no dimension"
        raise MaskgateError(
            f"{name}: an array of {shape} with values of type {photo.dtype}; a photo is an array"
            " (H, W, 3) of uint8, red first, values from 0 to 255"
        )
    return Image.fromarray(np.ascontiguousarray(photo))
