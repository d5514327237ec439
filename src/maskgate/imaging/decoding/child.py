"""Decodes a photo of an `isolated` format, in a process with little memory and time of its own.

Its stdin is a copy of the file, which it may change. To stdout it writes a line of JSON: `format`,
`width` and `height` as stored, `across` and `down` of the pixels that follow it in RGB, and whether
these are `turned` by a quarter; or `fault`, why there are none.
"""

import contextlib
import json
import logging
import math
import os
import signal
import struct
import sys
import warnings
from typing import IO, Any, Final

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from maskgate.imaging.decoding import exif, limits, rgb
from maskgate.imaging.decoding.limits import PhotoError

_TIFF_COMPRESSIONS: Final = {
    "raw", "packbits", "tiff_ccitt", "group3", "group4", "tiff_lzw", "tiff_deflate",
    "tiff_adobe_deflate", "jpeg", "zstd", "lzma",
}  # fmt: skip
# The tags that say how pixels are stored, and the orientation; others are not looked at.
_TIFF_TAGS: Final = {
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324,
    325, 338, 339, 347, 529, 530, 531, 532,
}  # fmt: skip
_STRIPS: Final = {273, 279, 324, 325}  # where each strip or tile is, and its length
_MAX_STRIPS: Final = 200_000
_NO_TYPE: Final = 0
_MAX_TAGS: Final = 10_000
_ROWS: Final = 64  # written at a time
_START: Final = 256  # bytes, which hold what names the format


def main(memory: int, seconds: float, pixels: bool) -> None:
    """Decode what stdin holds, or print its size alone, within these bytes and seconds of CPU."""
    _limit(memory, seconds)
    warnings.simplefilter("ignore")
    logging.disable()
    Image.MAX_IMAGE_PIXELS = None
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each further one takes memory
    head: dict[str, Any] = {}
    image: Image.Image | None = None
    try:
        with os.fdopen(0, "r+b") as file:
            head, image = _read(file, pixels)
    except PhotoError as error:
        head = {"fault": str(error)}
    except MemoryError:
        head = {"fault": f"decoding it takes over {memory // 10**6} MB of memory"}
    except UnidentifiedImageError:  # its message names an object of Python's
        head = {"fault": "damaged: not a whole header"}
    except Exception as error:
        head = {"fault": f"damaged: {error}"}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    if image is not None:
        for top in range(0, image.height, _ROWS):  # of a copy of it all there is no need
            rows = image.crop((0, top, image.width, min(image.height, top + _ROWS)))
            sys.stdout.buffer.write(rows.tobytes())


def _limit(memory: int, seconds: float) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
    # Linux counts in DATA what a process has written to or may write to, as good as all it takes.
    for kind, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, math.ceil(seconds))):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _read(file: IO[bytes], pixels: bool) -> tuple[dict[str, Any], Image.Image | None]:
    start = file.read(_START)
    kind = "TIFF"
    if start[4:8] == b"ftyp":
        kind = "AVIF" if is_avif(start) else "HEIF"
    turned = 1
    if kind == "TIFF":
        turned = _orientation_of(file)
    elif kind == "HEIF":
        import pi_heif

        pi_heif.register_heif_opener()
    file.seek(0)
    with Image.open(file, formats=[kind]) as image:
        limits.check_size(image.width, image.height)
        head: dict[str, Any] = {"format": kind, "width": image.width, "height": image.height}
        if not pixels:
            return head, None
        if kind == "TIFF":
            compression = image.info.get("compression")
            if compression not in _TIFF_COMPRESSIONS:
                raise PhotoError(f"a TIFF with the compression {compression}, which is not read")
            # Else Pillow turns the image by itself, from tags that may be damaged.
            vars(image)["load_end"] = lambda: None
        else:
            block, xmp = (image.info.get(name) or b"" for name in ("exif", "xmp"))
            turned = exif.orientation(block, xmp)
        image.load()
        plain = rgb.upright_rgb(image, turned)
    size = {"across": plain.width, "down": plain.height, "turned": turned > 4}
    return {**head, **size}, plain


def is_avif(content: bytes) -> bool:
    """Whether a file of the ISO base media kind holds an AVIF, and not a HEIF of another kind."""
    brands = content[8 : max(16, min(_START, int.from_bytes(content[:4], "big")))]
    return any(brand in brands for brand in (b"avif", b"avis"))


def _orientation_of(file: IO[bytes]) -> int:
    """That of a TIFF's first directory. All tags in it that decoding does not need are disabled:
    odd values in them would be taken for damage."""
    file.seek(0)
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    place_is, count_is, entry, at = ("Q", "Q", 20, 8) if 43 in start[2:4] else ("L", "H", 12, 4)
    turned: int | None = None
    try:
        (place,) = struct.unpack_from(f"{order}{place_is}", start, at)
        file.seek(place)
        (count,) = struct.unpack(f"{order}{count_is}", file.read(struct.calcsize(count_is)))
        first = file.tell()
        for here in range(first, first + entry * min(count, _MAX_TAGS), entry):
            file.seek(here)
            tag, kind, values = struct.unpack(f"{order}HH{place_is}", file.read(entry // 2 + 2))
            if tag == exif.ORIENTATION and turned is None:
                turned = exif.integer_value(order, kind, values, file.read(4))
            if tag in _STRIPS and values > _MAX_STRIPS:
                raise PhotoError(f"a TIFF in {values:,} pieces")
            if tag not in _TIFF_TAGS:
                file.seek(here + 2)
                file.write(struct.pack(f"{order}H", _NO_TYPE))
    except (struct.error, OSError, OverflowError, ValueError):  # cut short: Pillow raises
        pass
    return exif.valid_orientation(turned)
