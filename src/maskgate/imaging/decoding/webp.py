"""Reads the structure of a WebP: the size of its canvas, its orientation, its first frame.

A WebP is a list of RIFF chunks (RFC 9649). Its decoder holds several canvases, whatever the frames
on it are like: the header of 264 bytes may ask for 2 GB.
"""

from typing import Final

from maskgate.imaging.decoding import exif, limits
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import PhotoError

_MAX_CHUNKS: Final = 10_000
_FRAME: Final = b"ANMF"
_KEPT: Final = {b"VP8X", b"ANIM", b"ALPH", b"VP8 ", b"VP8L", _FRAME}
_IMAGE: Final = {b"VP8 ", b"VP8L", _FRAME}  # after the first of these all is there
_DROPPED_FLAGS: Final = 0x2C  # of VP8X: a profile, EXIF, XMP
# libwebp's two canvases, its lossless decoder's pixels or the bytes it gives, and Pillow's image.
_BYTES_A_PIXEL: Final = 16


def accepts(content: bytes) -> bool:
    """Whether it begins as a WebP does."""
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def read(content: bytes) -> Encoded:
    """The WebP before decoding. Raises PhotoError where it would take too much."""
    view, place = memoryview(content), 12
    kept: list[bytes | memoryview] = []
    first, block, xmp, whole, cut = b"", b"", b"", False, 0
    for _ in range(_MAX_CHUNKS):
        kind = content[place : place + 4]
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        start, end = place + 8, place + 8 + size + size % 2
        if kind == b"EXIF":
            block = content[start : start + size]
        elif kind == b"XMP ":
            xmp = content[start : start + size]
        elif kind in _KEPT and not whole and not (first and kind == b"VP8X"):
            head = content[place : min(end, place + 64)]
            first = first or head
            if kind == b"VP8X" and len(head) > 8:
                flags = bytes([head[8] & ~_DROPPED_FLAGS])
                kept += [head[:8], flags, view[place + 9 : end]]
            else:
                kept.append(view[place:end])
            whole, cut = kind in _IMAGE, max(0, end - len(content))
        place = end
        if place + 8 > len(content):
            break
    else:
        raise PhotoError(f"a WebP of over {_MAX_CHUNKS:,} chunks")
    width, height = _size(first)
    limits.check_size(width, height)
    chunks = b"".join(kept)
    # Where the last chunk is cut short, the file is to be seen as cut short.
    size = 4 + len(chunks) + cut
    slim = b"RIFF" + size.to_bytes(4, "little") + b"WEBP" + chunks
    memory = len(content) + 2 * len(slim) + _BYTES_A_PIXEL * width * height
    limits.check_memory(memory)
    return Encoded(
        format="WEBP",
        width=width,
        height=height,
        orientation=exif.orientation(block, xmp),
        content=slim,
        memory=memory,
    )


def _size(chunk: bytes) -> tuple[int, int]:
    """Width and height of the canvas, as the first chunk states them."""
    kind, data = chunk[:4], chunk[8:]
    if kind == b"VP8X" and len(data) >= 10:
        across, down = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (4, 7))
        return across, down
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a" and len(data) >= 10:
        across, down = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return across, down
    if kind == b"VP8L" and data[:1] == b"\x2f" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise PhotoError("damaged: a WebP without a header")
