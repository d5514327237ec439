"""The orientation in a photo's EXIF or XMP block, and nothing else of what these hold."""

import re
import struct
from typing import Final

ORIENTATION: Final = 0x0112
_INTEGERS: Final = {3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}  # TIFF's types of whole numbers
_XMP: Final = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def orientation(block: bytes, xmp: bytes = b"") -> int:
    """1 to 8 as EXIF numbers them: what the EXIF block says, or the XMP where that says nothing.

    1, as stored, where neither makes sense.
    """
    stated = _stated(block.removeprefix(b"Exif\0\0"))
    if stated is None and (match := _XMP.search(xmp)):
        stated = int(match[1])
    return valid_orientation(stated)


def valid_orientation(stated: int | None) -> int:
    """The orientation where it is one, else 1: as stored."""
    return stated if stated is not None and 1 <= stated <= 8 else 1


def integer_value(order: str, kind: int, values: int, data: bytes) -> int:
    """What a tag with one value says; 0 where that is no whole number, or there are several.

    `order` is struct's `<` or `>`, `kind` TIFF's type, `data` the bytes where the value stands.
    """
    if values != 1 or kind not in _INTEGERS:
        return 0
    return int(struct.unpack_from(f"{order}{_INTEGERS[kind]}", data)[0])


def _stated(block: bytes) -> int | None:
    """What stands in the orientation tag of a TIFF block's first directory, None without it."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    try:
        (place,) = struct.unpack_from(f"{order}L", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, place)
        for start in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHL", block, start)
            if tag == ORIENTATION:
                return integer_value(order, kind, values, block[start + 8 : start + 12])
    except struct.error:  # cut short
        pass
    return None
