"""Reads the orientation in a photo's EXIF or XMP block, and nothing else."""

import re
import struct
from typing import Final

ORIENTATION: Final = 0x0112
_INTEGERS: Final = {3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}  # TIFF's integer types
_XMP: Final = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def orientation(block: bytes, xmp: bytes = b"") -> int:
    """The orientation, 1 to 8 as EXIF numbers them: from the EXIF block, or from XMP if EXIF has
    none. It is 1, as stored, if neither is valid.
    """
    tag_value = _orientation_tag(block.removeprefix(b"Exif\0\0"))
    if tag_value is None and (match := _XMP.search(xmp)):
        tag_value = int(match[1])
    return valid_orientation(tag_value)


def valid_orientation(orientation_tag: int | None) -> int:
    """The orientation if it is valid, else 1: as stored."""
    return orientation_tag if orientation_tag is not None and 1 <= orientation_tag <= 8 else 1


def integer_value(order: str, kind: int, values: int, data: bytes) -> int:
    """The value of a tag with a single integer; 0 for any other tag.

    `order` is struct's `<` or `>`, `kind` TIFF's type, `data` the bytes of the value.
    """
    if values != 1 or kind not in _INTEGERS:
        return 0
    return int(struct.unpack_from(f"{order}{_INTEGERS[kind]}", data)[0])


def _orientation_tag(block: bytes) -> int | None:
    """The orientation tag in a TIFF block's first directory, None without it."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    try:
        (directory,) = struct.unpack_from(f"{order}L", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, directory)
        for start in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHL", block, start)
            if tag == ORIENTATION:
                return integer_value(order, kind, values, block[start + 8 : start + 12])
    except struct.error:  # cut short
        pass
    return None
