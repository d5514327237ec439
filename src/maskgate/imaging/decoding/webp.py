"""Reads the structure of a WebP: the size of its canvas, its orientation, its first frame.

A WebP is a list of RIFF chunks (RFC 9649). Its decoder allocates several canvases, however small
the frames are: a file of 264 bytes may need 2 GB.
"""

from typing import Final

from maskgate.imaging.decoding import exif, limits
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import PhotoError

_MAX_CHUNKS: Final = 10_000
_FRAME: Final = b"ANMF"
_KEPT: Final = {b"VP8X", b"ANIM", b"ALPH", b"VP8 ", b"VP8L", _FRAME}
_IMAGE: Final = {b"VP8 ", b"VP8L", _FRAME}  # the first of these completes the image
_DROPPED_FLAGS: Final = 0x2C  # of VP8X: a profile, EXIF, XMP
# libwebp's two canvases, its lossless decoder's pixels or its output, and Pillow's image.
_BYTES_A_PIXEL: Final = 16


def accepts(content: bytes) -> bool:
    """Whether it starts like a WebP."""
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def read(content: bytes) -> Encoded:
    """The WebP before decoding. Raises PhotoError if decoding needs too much memory."""
    view, position = memoryview(content), 12
    kept_chunks: list[bytes | memoryview] = []
    first, exif_block, xmp, image_complete, missing_bytes = b"", b"", b"", False, 0
    for _ in range(_MAX_CHUNKS):
        kind = content[position : position + 4]
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        start, end = position + 8, position + 8 + size + size % 2
        if kind == b"EXIF":
            exif_block = content[start : start + size]
        elif kind == b"XMP ":
            xmp = content[start : start + size]
        elif kind in _KEPT and not image_complete and not (first and kind == b"VP8X"):
            head = content[position : min(end, position + 64)]
            first = first or head
            if kind == b"VP8X" and len(head) > 8:
                flags = bytes([head[8] & ~_DROPPED_FLAGS])
                kept_chunks += [head[:8], flags, view[position + 9 : end]]
            else:
                kept_chunks.append(view[position:end])
            image_complete, missing_bytes = kind in _IMAGE, max(0, end - len(content))
        position = end
        if position + 8 > len(content):
            break
    else:
        raise PhotoError(f"a WebP of over {_MAX_CHUNKS:,} chunks")
    width, height = _size(first)
    limits.check_size(width, height)
    chunks = b"".join(kept_chunks)
    # If the last chunk is cut short, the size must show it, so that decoding fails.
    size = 4 + len(chunks) + missing_bytes
    slim = b"RIFF" + size.to_bytes(4, "little") + b"WEBP" + chunks
    memory = len(content) + 2 * len(slim) + _BYTES_A_PIXEL * width * height
    limits.check_memory(memory)
    return Encoded(
        format="WEBP",
        width=width,
        height=height,
        orientation=exif.orientation(exif_block, xmp),
        content=slim,
        memory=memory,
    )


def _size(chunk: bytes) -> tuple[int, int]:
    """Width and height of the canvas, from the first chunk."""
    kind, data = chunk[:4], chunk[8:]
    if kind == b"VP8X" and len(data) >= 10:
        width, height = (
            int.from_bytes(data[offset : offset + 3], "little") + 1 for offset in (4, 7)
        )
        return width, height
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a" and len(data) >= 10:
        width, height = (
            int.from_bytes(data[offset : offset + 2], "little") & 0x3FFF for offset in (6, 8)
        )
        return width, height
    if kind == b"VP8L" and data[:1] == b"\x2f" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise PhotoError("damaged: a WebP without a header")
