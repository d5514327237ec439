"""From the bytes of a photo to uint8 pixels: the one path for training, validation, test and door.

decode → EXIF orientation → a window of the photo (around a face, or its centre) → resize. Pillow
and NumPy only, so that the door needs no torch. Whatever changes the pixels raises ``VERSION``.
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
GREY: Final = 128  # where there is nothing to show
_SIZE: Final = "size of the photo"

# The limits of our own are checked on the file's structure, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Window:
    """A rectangle of a photo, in its pixels; it may reach beyond the photo.

    `x` and `y` are its centre; it is turned clockwise around it by `turn` degrees.
    """

    x: float
    y: float
    width: float
    height: float
    turn: float = 0.0


def decode(source: Path | bytes | Image.Image) -> Image.Image:
    """The photo upright, in RGB, of at most 24 megapixels: larger ones are made smaller.

    Alpha lies on white, an animation gives its first frame. Of EXIF only the orientation counts.
    However many threads decode, together they keep to a budget of memory. Raises PhotoError where
    the bytes are no photo, are cut short, or would take more memory or time than
    `decoding.limits` grants one photo.
    """
    if isinstance(source, Image.Image):
        return _of_image(source)
    if isinstance(source, Path):
        with reading(source) as content:
            return _decoded(content)
    return _decoded(source)


def _decoded(content: bytes) -> Image.Image:
    _check_length(content)
    if isolated.accepts(content):
        with limits.SHARED.reserve(limits.MAX_MEMORY):
            image, *size = isolated.decode(content)
        return _sized(image, *size)
    encoded = _structure(content)
    with limits.SHARED.reserve(encoded.memory), _opened(encoded) as image:
        if encoded.scale > 1:
            image.draft(None, (image.width // encoded.scale, image.height // encoded.scale))
        image.load()
        vars(image).pop("_decoder", None)  # WebP's, which holds as much memory as the image
        vars(image)["fp"] = None
        plain = rgb.upright_rgb(image, encoded.orientation)
    width, height = encoded.width, encoded.height
    return _sized(plain, *((height, width) if encoded.orientation > 4 else (width, height)))


def original_size(image: Image.Image) -> tuple[int, int]:
    """Width and height, upright, of the photo that `decode` gave; it may have made it smaller."""
    width, height = image.info.get(_SIZE, image.size)
    return width, height


def _sized(image: Image.Image, width: int, height: int) -> Image.Image:
    image.info = {_SIZE: (width, height)}
    return image


def _of_image(image: Image.Image) -> Image.Image:
    """The same of an image that Pillow has opened, which stays as it is."""
    # Pillow turns a TIFF by itself, and takes the tag out where it turns another image.
    orientation = exif.orientation(image.info.get("exif") or b"", image.info.get("xmp") or b"")
    try:
        plain = rgb.upright_rgb(image.copy(), orientation)
    except Exception as error:
        raise PhotoError(f"damaged: {error}") from error
    return _sized(plain, *(image.size[::-1] if orientation > 4 else image.size))


def header(source: Path | bytes) -> tuple[str, int, int]:
    """Format, width and height of the photo as stored, without decoding it. Raises PhotoError."""
    content = read(source) if isinstance(source, Path) else source
    if isolated.accepts(content):
        return isolated.header(content)
    encoded = _structure(content)
    return encoded.format, encoded.width, encoded.height


def read(path: str | Path) -> bytes:
    """The bytes of a photo's file. Raises PhotoError where it cannot be read, or is too large."""
    try:
        with open(path, "rb") as file:
            content = file.read(limits.MAX_FILE + 1)
    except (FileNotFoundError, ValueError) as error:  # ValueError: a NUL in its name
        raise PhotoError("no such file") from error
    except OSError as error:
        raise PhotoError((error.strerror or str(error)).lower()) from error
    _check_length(content)
    return content


@contextmanager
def reading(path: str | Path) -> Iterator[bytes]:
    """What `read` gives, while it is used: threads that read very large files take turns."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        size = 0  # reading it raises the reason
    with limits.FILES.reserve(size):
        yield read(path)


def _check_length(content: bytes) -> None:
    if len(content) > limits.MAX_FILE:
        raise PhotoError(f"a file of over {limits.MAX_FILE // 10**6} MB")


def _structure(content: bytes) -> Encoded:
    """The file's structure, read by the format that its first bytes name."""
    if content.startswith(b"\xff\xd8\xff"):
        return jpeg.read(content)
    if content.startswith(png.SIGNATURE):
        return png.read(content)
    if webp.accepts(content):
        return webp.read(content)
    if content.startswith(b"BM"):
        return bmp.read(content)
    raise PhotoError("not an image, or a format we do not read")


@contextmanager
def _opened(encoded: Encoded) -> Iterator[Image.Image]:
    """The image before its pixels are decoded; what goes wrong with it is a PhotoError."""
    try:
        with Image.open(io.BytesIO(encoded.content), formats=[encoded.format]) as image:
            if image.size != (encoded.width, encoded.height):
                raise PhotoError("damaged: it states two sizes")
            yield image
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError("damaged: not a whole header") from error
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        raise PhotoError(f"damaged: {error}") from error


def resize(image: Image.Image, height: int, width: int, crop: float = 1.0) -> Pixels:
    """The largest centred part of `image` with the aspect asked for, as (height, width, 3).

    Of a `crop` below 1 only that share of the image's height and width is taken, at its centre.
    """
    scale = min(image.width / width, image.height / height) * crop
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    small = image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(small)


def crop_window(image: Image.Image | Pixels, window: Window, height: int, width: int) -> Pixels:
    """What `window` shows of `image`, turned back upright, as (height, width, 3).

    Beyond the photo it is grey. Of a large photo only the part in the window is worked on.
    """
    # Much more detail than is asked for would only cost time and memory.
    factor = max(1, int(min(window.width / width, window.height / height) / 2))
    x, y = window.x / factor, window.y / factor
    half_width, half_height = window.width / factor / 2, window.height / factor / 2
    reach_x, reach_y = half_width, half_height
    if window.turn:
        reach_x = reach_y = math.hypot(half_width, half_height)
    left, top = math.floor(x - reach_x), math.floor(y - reach_y)
    edges = left, top, math.ceil(x + reach_x), math.ceil(y + reach_y)
    part = _part(image, factor, edges)
    x, y = x - left, y - top
    if window.turn:
        part = part.rotate(
            window.turn, Image.Resampling.BICUBIC, center=(x, y), fillcolor=(GREY, GREY, GREY)
        )
    box = (
        max(0.0, x - half_width),
        max(0.0, y - half_height),
        min(float(part.width), x + half_width),
        min(float(part.height), y + half_height),
    )
    small = part.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(small)


def _part(
    image: Image.Image | Pixels, factor: int, edges: tuple[int, int, int, int]
) -> Image.Image:
    """The part of the image within the `edges` (left, top, right, bottom), which count pixels of
    the image reduced by `factor`; in grey where it reaches beyond."""
    is_array = isinstance(image, np.ndarray)
    width, height = image.shape[1::-1] if is_array else image.size
    left, top, right, bottom = edges
    box = (
        max(left, 0),
        max(top, 0),
        min(right, -(-width // factor)),
        min(bottom, -(-height // factor)),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        return Image.new("RGB", (max(1, right - left), max(1, bottom - top)), (GREY, GREY, GREY))
    x0, y0, x1, y1 = box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor
    x1, y1 = min(x1, width), min(y1, height)
    part = Image.fromarray(image[y0:y1, x0:x1]) if is_array else image.crop((x0, y0, x1, y1))
    if factor > 1:
        part = part.reduce(factor)
    if box == edges:
        return part
    whole = Image.new("RGB", (right - left, bottom - top), (GREY, GREY, GREY))
    whole.paste(part, (box[0] - left, box[1] - top))
    return whole


def centre(stored: Pixels, geometry: Geometry) -> Pixels:
    """The (…, height, width, 3) window in the middle of stored pictures (…, H, W, 3); a view."""
    top = (stored.shape[-3] - geometry.height) // 2
    left = (stored.shape[-2] - geometry.width) // 2
    return stored[..., top : top + geometry.height, left : left + geometry.width, :]
