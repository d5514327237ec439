"""Reads the structure of a PNG: its size, its orientation; texts and profiles are left out.

A PNG is a list of chunks (W3C, Portable Network Graphics). Of an animated one, what other programs
show is kept.
"""

import re
import zlib
from typing import Final

from maskgate.imaging.decoding import exif, limits
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import PhotoError

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS: Final = 100_000
_MAX_TEXT: Final = 1_000_000  # bytes
_KEPT: Final = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_ONE_BYTE: Final = {0, 3}  # colour types grey and palette
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by colour type
_A_BYTE: Final = 9e-9  # seconds that Pillow takes, measured with the slowest filter (Paeth)
_RAW_EXIF: Final = b"Raw profile type exif\0"  # ImageMagick's
_XMP: Final = b"XML:com.adobe.xmp\0"


def read(content: bytes) -> Encoded:
    """The PNG before decoding. Raises PhotoError where it would take too much."""
    kept = [memoryview(SIGNATURE)]
    view, place, count = memoryview(content), len(SIGNATURE), 0
    header = block = b""
    texts: dict[bytes, tuple[bytes, bytes]] = {}  # kind and text of the first with each keyword
    while place + 8 <= len(content):
        count += 1
        if count > _MAX_CHUNKS:
            raise PhotoError(f"a PNG of over {_MAX_CHUNKS:,} chunks")
        kind, start = content[place + 4 : place + 8], place + 8
        end = start + int.from_bytes(content[place : place + 4], "big")
        if kind == b"eXIf":
            block = content[start : min(end, start + _MAX_TEXT)]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            for keyword in (_RAW_EXIF, _XMP):
                if content.startswith(keyword, start) and keyword not in texts:
                    begin = start + len(keyword)
                    texts[keyword] = kind, content[begin : min(end, begin + _MAX_TEXT)]
        if kind in _KEPT and not (header and kind == b"IHDR"):
            kept.append(view[place : end + 4])
            header = header or content[start:end]
        place = end + 4
        if kind == b"IEND":
            break
    if len(header) < 10 or bytes(kept[1][4:8]) != b"IHDR":
        raise PhotoError("damaged: a PNG without a header")
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (0, 4))
    limits.check_size(width, height)
    slim = b"".join(kept)
    depth, colours = header[8], header[9]
    unpacked = width * height * _SAMPLES.get(colours, 4) * depth // 8
    if unpacked * _A_BYTE > limits.MAX_SECONDS:
        raise PhotoError(
            f"a PNG of {width}×{height} pixels of {depth} bits, {unpacked // 10**6:,} MB when"
            " unpacked, which take too long to decode"
        )
    stored = width * height * ((2 if depth == 16 else 1) if colours in _ONE_BYTE else 4)
    result = 4 * width * height // limits.reduction(width, height) ** 2
    memory = len(content) + len(slim) + max(stored + result, 2 * result)
    limits.check_memory(memory)
    block = block or _raw_profile(*texts.get(_RAW_EXIF, (b"", b"")))
    xmp = _international(*texts.get(_XMP, (b"", b"")))
    return Encoded(
        format="PNG",
        width=width,
        height=height,
        orientation=exif.orientation(block, xmp),
        content=slim,
        memory=memory,
    )


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT)
    except zlib.error:
        return b""


def _raw_profile(kind: bytes, text: bytes) -> bytes:
    """The EXIF block that a text chunk holds in hexadecimal digits, after three lines."""
    plain = _inflated(text[1:]) if kind == b"zTXt" else text
    try:
        return bytes.fromhex("".join(plain.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return b""


def _international(kind: bytes, text: bytes) -> bytes:
    """The text of an iTXt chunk, after its keyword; that of another kind as it stands."""
    if kind != b"iTXt":
        return text
    packed = text[:1] == b"\1"
    match = re.match(rb"..[^\0]*\0[^\0]*\0", text, re.DOTALL)
    plain = text[match.end() :] if match else b""
    return _inflated(plain) if packed else plain
