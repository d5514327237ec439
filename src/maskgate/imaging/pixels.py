"""From the bytes of a photo to uint8 pixels: the same path for training, validation and prediction.

decode → EXIF orientation → a window of the photo (around a face, or its centre) → resize. It needs
only Pillow and NumPy, so prediction needs no torch. Raise ``VERSION`` with any change of pixels.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from maskgate.core.geometry import Geometry
from maskgate.imaging.decoding import bmp, exif, isolated, jpeg, limits, png, rgb, webp
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import PhotoError as PhotoError

Pixels = npt.NDArray[np.uint8]

VERSION: Final = 2
_APPLE_DOUBLE: Final = b"\x00\x05\x16\x07"  # RFC 1740
GREY: Final = 128  # of pixels outside the photo
NO_FILE: Final = "no such file"
_ORIGINAL_SIZE: Final = "size of the photo"

# Our own limits are checked instead, on the file's structure, before it is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Window:
    """A rectangle in a photo's pixels; it may reach beyond the photo.

    `x` and `y` are its centre, around which it is rotated clockwise by `turn` degrees.
    """

    x: float
    y: float
    width: float
    height: float
    turn: float = 0.0


def decode(source: Path | bytes | Image.Image) -> Image.Image:
    """The photo upright, in RGB, with at most 24 megapixels: larger photos are reduced.

    Transparent pixels become white, and an animation gives its first frame. Only the orientation is
    read from EXIF. All threads that decode share one memory budget. Raises PhotoError if the bytes
    are not a photo, are cut short, or need more memory or time than `decoding.limits` allows.
    """
    if isinstance(source, Image.Image):
        return _convert(source)
    if isinstance(source, Path):
        with reading(source) as content:
            return _decode_bytes(content)
    return _decode_bytes(source)


def _decode_bytes(content: bytes) -> Image.Image:
    _check_length(content)
    if isolated.accepts(content):
        with limits.SHARED.reserve(limits.MAX_MEMORY):
            image, *size = isolated.decode(content)
        return _with_original_size(image, *size)
    encoded = _structure(content)
    with limits.SHARED.reserve(encoded.memory), _opened(encoded) as image:
        if encoded.scale > 1:
            image.draft(None, (image.width // encoded.scale, image.height // encoded.scale))
        image.load()
        vars(image).pop("_decoder", None)  # WebP's decoder takes as much memory as the image
        vars(image)["fp"] = None
        plain = rgb.upright_rgb(image, encoded.orientation)
    width, height = encoded.width, encoded.height
    return _with_original_size(
        plain, *((height, width) if encoded.orientation > 4 else (width, height))
    )


def original_size(image: Image.Image) -> tuple[int, int]:
    """Width and height, upright, of the photo before `decode` reduced it."""
    width, height = image.info.get(_ORIGINAL_SIZE, image.size)
    return width, height


def _with_original_size(image: Image.Image, width: int, height: int) -> Image.Image:
    image.info = {_ORIGINAL_SIZE: (width, height)}
    return image


def _convert(image: Image.Image) -> Image.Image:
    """The same for an image opened by Pillow; the image itself is not changed."""
    # Pillow rotates a TIFF itself, and removes the tag from other images that it rotates.
    orientation = exif.orientation(image.info.get("exif") or b"", image.info.get("xmp") or b"")
    try:
        plain = rgb.upright_rgb(image.copy(), orientation)
    except Exception as error:
        raise PhotoError(f"damaged: {error}") from error
    return _with_original_size(plain, *(image.size[::-1] if orientation > 4 else image.size))


def header(source: Path | bytes) -> tuple[str, int, int]:
    """Format, width and height of the photo as stored, without decoding it. Raises PhotoError."""
    content = read(source) if isinstance(source, Path) else source
    if isolated.accepts(content):
        return isolated.header(content)
    encoded = _structure(content)
    return encoded.format, encoded.width, encoded.height


def read(path: str | Path) -> bytes:
    """The bytes of a photo's file. Raises PhotoError if it cannot be read or is too large."""
    try:
        with open(path, "rb") as file:
            content = file.read(limits.MAX_FILE + 1)
    except (FileNotFoundError, ValueError) as error:  # ValueError: a NUL in its name
        raise PhotoError(NO_FILE) from error
    except OSError as error:
        raise PhotoError((error.strerror or str(error)).lower()) from error
    _check_length(content)
    return content


@contextmanager
def reading(path: str | Path) -> Iterator[bytes]:
    """The bytes that `read` returns, as a context: threads with very large files take turns."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        size = 0  # `read` raises the error
    with limits.FILES.reserve(size):
        yield read(path)


def _check_length(content: bytes) -> None:
    if len(content) > limits.MAX_FILE:
        raise PhotoError(f"a file of over {limits.MAX_FILE // 10**6} MB")


def _structure(content: bytes) -> Encoded:
    """The file's structure; its first bytes say which format to read."""
    if content.startswith(b"\xff\xd8\xff"):
        return jpeg.read(content)
    if content.startswith(png.SIGNATURE):
        return png.read(content)
    if webp.accepts(content):
        return webp.read(content)
    if content.startswith(b"BM"):
        return bmp.read(content)
    if content.startswith(_APPLE_DOUBLE):
        raise PhotoError("not an image: macOS adds such a file to each photo on other disks")
    raise PhotoError("not an image, or an unsupported format")


@contextmanager
def _opened(encoded: Encoded) -> Iterator[Image.Image]:
    """The image before its pixels are decoded; any error with it becomes a PhotoError."""
    try:
        with Image.open(io.BytesIO(encoded.content), formats=[encoded.format]) as image:
            if image.size != (encoded.width, encoded.height):
                raise PhotoError("damaged: two different sizes")
            yield image
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError("damaged: incomplete header") from error
    except Exception as error:  # Pillow's decoders raise almost any exception on damaged bytes
        raise PhotoError(f"damaged: {error}") from error


def resize(image: Image.Image, height: int, width: int, crop: float = 1.0) -> Pixels:
    """The largest centred part of `image` with that aspect ratio, as (height, width, 3).

    With a `crop` below 1, that share of the part's height and width, at its centre.
    """
    scale = min(image.width / width, image.height / height) * crop
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    right, bottom = left + width * scale, top + height * scale
    # Rounding errors may lead out of the image, which Pillow refuses.
    box = (max(0.0, left), max(0.0, top), min(image.width, right), min(image.height, bottom))
    small = image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(small)


def crop_window(image: Image.Image | Pixels, window: Window, height: int, width: int) -> Pixels:
    """The part of `image` in `window`, rotated upright, as (height, width, 3).

    Outside the photo it is grey. Only the part of the photo in the window is worked on.
    """
    # Reduce the part first if it is much larger than needed: this saves time and memory.
    reduction = max(1, int(min(window.width / width, window.height / height) / 2))
    x, y = window.x / reduction, window.y / reduction
    half_width, half_height = window.width / reduction / 2, window.height / reduction / 2
    reach_x, reach_y = half_width, half_height
    if window.turn:
        reach_x = reach_y = math.hypot(half_width, half_height)
    left, top = math.floor(x - reach_x), math.floor(y - reach_y)
    box = left, top, math.ceil(x + reach_x), math.ceil(y + reach_y)
    area = _padded_crop(image, reduction, box)
    x, y = x - left, y - top
    if window.turn:
        area = area.rotate(
            window.turn, Image.Resampling.BICUBIC, center=(x, y), fillcolor=(GREY, GREY, GREY)
        )
    edges = (
        max(0.0, x - half_width),
        max(0.0, y - half_height),
        min(float(area.width), x + half_width),
        min(float(area.height), y + half_height),
    )
    small = area.resize((width, height), Image.Resampling.BILINEAR, box=edges, reducing_gap=3.0)
    return np.asarray(small)


def _padded_crop(
    image: Image.Image | Pixels, reduction: int, box: tuple[int, int, int, int]
) -> Image.Image:
    """The part of the image in `box` (left, top, right, bottom), grey outside the image, with every
    `reduction` × `reduction` pixels averaged to one. The box counts pixels of the reduced image."""
    width, height = size(image)
    left, top, right, bottom = box
    inside = (
        max(left, 0),
        max(top, 0),
        min(right, -(-width // reduction)),
        min(bottom, -(-height // reduction)),
    )
    canvas_size = max(1, right - left), max(1, bottom - top)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return Image.new("RGB", canvas_size, (GREY, GREY, GREY))
    x0, y0, x1, y1 = (edge * reduction for edge in inside)
    area = _crop(image, (x0, y0, min(x1, width), min(y1, height)))
    if reduction > 1:
        area = area.reduce(reduction)
    if inside == box:
        return area
    canvas = Image.new("RGB", canvas_size, (GREY, GREY, GREY))
    canvas.paste(area, (inside[0] - left, inside[1] - top))
    return canvas


def _crop(image: Image.Image | Pixels, box: tuple[int, int, int, int]) -> Image.Image:
    """The part of the image in `box`, which lies in it."""
    left, top, right, bottom = box
    if isinstance(image, Image.Image):
        return image.crop(box)
    rows = image[top:bottom, left:right]
    if image.flags.c_contiguous:  # Pillow then reads the rows in place
        start = (top * image.shape[1] + left) * 3
        content = image.reshape(-1)[start:]
        row_bytes = image.shape[1] * 3
        return Image.frombuffer("RGB", rows.shape[1::-1], content, "raw", "RGB", row_bytes, 1)
    return Image.fromarray(rows)


def size(image: Image.Image | Pixels) -> tuple[int, int]:
    """Width and height of an image, or of an array (H, W, 3)."""
    width, height = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
    return width, height


def as_image(image: Image.Image | Pixels) -> Image.Image:
    """The image, which an array (H, W, 3) may stand for."""
    return Image.fromarray(image) if isinstance(image, np.ndarray) else image


def centre(stored: Pixels, geometry: Geometry) -> Pixels:
    """The (…, height, width, 3) window in the middle of stored pictures (…, H, W, 3); a view."""
    top = (stored.shape[-3] - geometry.height) // 2
    left = (stored.shape[-2] - geometry.width) // 2
    return stored[..., top : top + geometry.height, left : left + geometry.width, :]
