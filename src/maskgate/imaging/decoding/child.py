"""Decodes a photo of an `isolated` format, in a process with limited memory and time.

Its stdin is a copy of the file, which it may change. To stdout it writes a line of JSON: `format`,
`width` and `height` as stored; `rgb_width` and `rgb_height` of the RGB pixels that follow; and
`transposed`, whether these are rotated by 90 degrees. On failure the line has `error`, the reason.
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
# The tags that say how pixels are stored, and the orientation; others are ignored.
_TIFF_TAGS: Final = {
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324,
    325, 338, 339, 347, 529, 530, 531, 532,
}  # fmt: skip
_STRIPS: Final = {273, 279, 324, 325}  # offsets and lengths of strips or tiles
_MAX_STRIPS: Final = 200_000
_NO_TYPE: Final = 0
_MAX_TAGS: Final = 10_000
_ROWS: Final = 64  # written at a time
_START: Final = 256  # bytes that identify the format


def main(memory: int, seconds: float, pixels: bool) -> None:
    """Decode the photo on stdin, or only read its size if not `pixels`, within `memory` bytes and
    `seconds` of CPU."""
    _limit(memory, seconds)
    warnings.simplefilter("ignore")
    logging.disable()
    Image.MAX_IMAGE_PIXELS = None
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each additional thread takes memory
    head: dict[str, Any] = {}
    image: Image.Image | None = None
    try:
        with os.fdopen(0, "r+b") as file:
            head, image = _read(file, pixels)
    except PhotoError as error:
        head = {"error": str(error)}
    except MemoryError:
        head = {"error": f"decoding it takes over {memory // 10**6} MB of memory"}
    except UnidentifiedImageError:  # its message contains the name of a Python object
        head = {"error": "damaged: incomplete header"}
    except Exception as error:
        head = {"error": f"damaged: {error}"}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    if image is not None:
        for top in range(0, image.height, _ROWS):  # avoids a copy of the whole image
            rows = image.crop((0, top, image.width, min(image.height, top + _ROWS)))
            sys.stdout.buffer.write(rows.tobytes())


def _limit(memory: int, seconds: float) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
    # On Linux, DATA counts all memory that a process may write to, which is nearly all it takes.
    for kind, maximum in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, math.ceil(seconds)),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (maximum, maximum))


def _read(file: IO[bytes], pixels: bool) -> tuple[dict[str, Any], Image.Image | None]:
    start = file.read(_START)
    kind = "TIFF"
    if start[4:8] == b"ftyp":
        kind = "AVIF" if is_avif(start) else "HEIF"
    orientation = 1
    if kind == "TIFF":
        orientation = _orientation_of(file)
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
            # Otherwise Pillow rotates the image itself, by tags that may be damaged.
            vars(image)["load_end"] = lambda: None
        else:
            block, xmp = (image.info.get(name) or b"" for name in ("exif", "xmp"))
            orientation = exif.orientation(block, xmp)
        image.load()
        plain = rgb.upright_rgb(image, orientation)
    size = {"rgb_width": plain.width, "rgb_height": plain.height, "transposed": orientation > 4}
    return {**head, **size}, plain


def is_avif(content: bytes) -> bool:
    """Whether an ISO base media file is an AVIF, and not another kind of HEIF."""
    brands = content[8 : max(16, min(_START, int.from_bytes(content[:4], "big")))]
    return any(brand in brands for brand in (b"avif", b"avis"))


def _orientation_of(file: IO[bytes]) -> int:
    """The orientation in a TIFF's first directory. Disables all tags in it that decoding does not
    need: unusual values in them would be taken for damage."""
    file.seek(0)
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    offset_format, count_format, entry_size, offset = (
        ("Q", "Q", 20, 8) if 43 in start[2:4] else ("L", "H", 12, 4)
    )
    orientation: int | None = None
    try:
        (directory,) = struct.unpack_from(f"{order}{offset_format}", start, offset)
        file.seek(directory)
        (count,) = struct.unpack(f"{order}{count_format}", file.read(struct.calcsize(count_format)))
        first_entry = file.tell()
        for entry_start in range(
            first_entry, first_entry + entry_size * min(count, _MAX_TAGS), entry_size
        ):
            file.seek(entry_start)
            tag, kind, values = struct.unpack(
                f"{order}HH{offset_format}", file.read(entry_size // 2 + 2)
            )
            if tag == exif.ORIENTATION and orientation is None:
                orientation = exif.integer_value(order, kind, values, file.read(4))
            if tag in _STRIPS and values > _MAX_STRIPS:
                raise PhotoError(f"a TIFF in {values:,} pieces")
            if tag not in _TIFF_TAGS:
                file.seek(entry_start + 2)
                file.write(struct.pack(f"{order}H", _NO_TYPE))
    except (struct.error, OSError, OverflowError, ValueError):  # cut short: Pillow raises
        pass
    return exif.valid_orientation(orientation)
