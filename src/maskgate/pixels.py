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
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]

VERSION: Final = 1
MAX_PIXELS: Final = 100_000_000
GREY: Final = 128  # where there is nothing to show
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

# The limit of our own is checked on the header, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


class PhotoError(Exception):
    """The bytes are no photo we can read; the message says why in a few words."""


@dataclass(frozen=True)
class Geometry:
    """The pixels a model sees, and the larger picture they are a window of.

    `margin` is the share by which the stored picture is larger than the model's input, so
    that random shifts and crops have room; validation, test and door take the centre. `crop` is
    the share of a photo's height and width that is kept around its centre, before all else.
    """

    height: int
    width: int
    margin: float = 0.0
    crop: float = 1.0

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width in pixels of the picture the window is cut from."""
        return round(self.height * (1 + self.margin)), round(self.width * (1 + self.margin))


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


def decode(source: Path | bytes) -> Image.Image:
    """The photo upright, in RGB. Alpha lies on white, an animation gives its first frame.

    Raises PhotoError where the bytes are no photo, are cut short or hold over MAX_PIXELS.
    """
    with _opened(source) as image:
        image.load()
        return _rgb(ImageOps.exif_transpose(image))


def header(source: Path | bytes) -> tuple[str, int, int]:
    """Format, width and height of the photo as stored, without decoding it. Raises PhotoError."""
    with _opened(source) as image:
        return str(image.format), image.width, image.height


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    """The image before its pixels are decoded; what goes wrong with it is a PhotoError."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PhotoError(f"{image.width}×{image.height} pixels are over {MAX_PIXELS:,}")
            yield image
    except PhotoError:
        raise
    except FileNotFoundError as error:
        raise PhotoError("no such file") from error
    except UnidentifiedImageError as error:
        raise PhotoError("not an image, or a format we do not read") from error
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        raise PhotoError(f"damaged: {error}") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: convert() would clip instead of scale
        sixteen = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        image = Image.fromarray((sixteen >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def resize(image: Image.Image, height: int, width: int, crop: float = 1.0) -> Pixels:
    """The largest centred part of `image` with the aspect asked for, as (height, width, 3).

    Of a `crop` below 1 only that share of the image's height and width is taken, at its centre.
    """
    scale = min(image.width / width, image.height / height) * crop
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    small = image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(small)


def cut(image: Image.Image, window: Window, height: int, width: int) -> Pixels:
    """What `window` shows of `image`, turned back upright, as (height, width, 3).

    Beyond the photo it is grey.
    """
    # Much more detail than is asked for would only cost time and memory.
    factor = max(1, int(min(window.width / width, window.height / height) / 2))
    if factor > 1:
        image = image.reduce(factor)
    x, y = window.x / factor, window.y / factor
    half_width, half_height = window.width / factor / 2, window.height / factor / 2
    reach_x, reach_y = half_width, half_height
    if window.turn:
        reach_x = reach_y = math.hypot(half_width, half_height)
    left, top = math.floor(x - reach_x), math.floor(y - reach_y)
    part = _part(image, left, top, math.ceil(x + reach_x), math.ceil(y + reach_y))
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


def _part(image: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """That part of the image, in grey where it reaches beyond."""
    whole = Image.new("RGB", (max(1, right - left), max(1, bottom - top)), (GREY, GREY, GREY))
    box = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if box[0] < box[2] and box[1] < box[3]:
        whole.paste(image.crop(box), (box[0] - left, box[1] - top))
    return whole


def centre(stored: Pixels, geometry: Geometry) -> Pixels:
    """The (…, height, width, 3) window in the middle of stored pictures (…, H, W, 3); a view."""
    top = (stored.shape[-3] - geometry.height) // 2
    left = (stored.shape[-2] - geometry.width) // 2
    return stored[..., top : top + geometry.height, left : left + geometry.width, :]
