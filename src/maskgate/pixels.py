"""From the bytes of a photo to uint8 pixels: the one path for training, validation, test and door.

decode → EXIF orientation → centre crop to the wanted share and aspect → resize. Pillow and NumPy
only, so that the door needs no torch. Whatever changes the pixels raises ``VERSION``.
"""

import io
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


def centre(stored: Pixels, geometry: Geometry) -> Pixels:
    """The (…, height, width, 3) window in the middle of stored pictures (…, H, W, 3); a view."""
    top = (stored.shape[-3] - geometry.height) // 2
    left = (stored.shape[-2] - geometry.width) // 2
    return stored[..., top : top + geometry.height, left : left + geometry.width, :]


def read(source: Path | bytes, geometry: Geometry) -> Pixels:
    """What validation, test and door see of one photo, (height, width, 3). Raises PhotoError."""
    return centre(resize(decode(source), *geometry.stored, geometry.crop), geometry)
