"""Reads the structure of a PNG: its size and orientation; removes texts and profiles.

A PNG is a list of chunks (W3C, Portable Network Graphics). Of an animated PNG, only the image that
programs without animation show is kept.
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
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # per pixel, by colour type
_A_BYTE: Final = 9e-9  # seconds that Pillow takes, measured with the slowest filter (Paeth)
_RAW_EXIF: Final = b"Raw profile type exif\0"  # ImageMagick's
_XMP: Final = b"XML:com.adobe.xmp\0"


def read(content: bytes) -> Encoded:
    """The PNG before decoding. Raises PhotoError if decoding needs too much memory or time."""
    kept_chunks = [memoryview(SIGNATURE)]
    view, position, count = memoryview(content), len(SIGNATURE), 0
    header = exif_block = b""
    texts: dict[bytes, tuple[bytes, bytes]] = {}  # kind and text of the first chunk by keyword
    while position + 8 <= len(content):
        count += 1
        if count > _MAX_CHUNKS:
            raise PhotoError(f"a PNG of over {_MAX_CHUNKS:,} chunks")
        kind, start = content[position + 4 : position + 8], position + 8
        end = start + int.from_bytes(content[position : position + 4], "big")
        if kind == b"eXIf":
            exif_block = content[start : min(end, start + _MAX_TEXT)]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            for keyword in (_RAW_EXIF, _XMP):
                if content.startswith(keyword, start) and keyword not in texts:
                    text_start = start + len(keyword)
                    texts[keyword] = kind, content[text_start : min(end, text_start + _MAX_TEXT)]
        if kind in _KEPT and not (header and kind == b"IHDR"):
            kept_chunks.append(view[position : end + 4])
            header = header or content[start:end]
        position = end + 4
        if kind == b"IEND":
            break
    if len(header) < 10 or bytes(kept_chunks[1][4:8]) != b"IHDR":
        raise PhotoError("damaged: a PNG without a header")
    width, height = (int.from_bytes(header[offset : offset + 4], "big") for offset in (0, 4))
    limits.check_size(width, height)
    slim = b"".join(kept_chunks)
    depth, colours = header[8], header[9]
    unpacked = width * height * _SAMPLES.get(colours, 4) * depth // 8
    if unpacked * _A_BYTE > limits.MAX_SECONDS:
        raise PhotoError(
            f"a PNG of {width}×{height} pixels of {depth} bits, {unpacked // 10**6:,} MB when"
            " unpacked, which take too long to decode"
        )
    stored = width * height * ((2 if depth == 16 else 1) if colours in _ONE_BYTE else 4)
    reduced = 4 * width * height // limits.reduction(width, height) ** 2
    memory = len(content) + len(slim) + max(stored + reduced, 2 * reduced)
    limits.check_memory(memory)
    exif_block = exif_block or _raw_profile(*texts.get(_RAW_EXIF, (b"", b"")))
    xmp = _itxt_text(*texts.get(_XMP, (b"", b"")))
    return Encoded(
        format="PNG",
        width=width,
        height=height,
        orientation=exif.orientation(exif_block, xmp),
        content=slim,
        memory=memory,
    )


def _decompress(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT)
    except zlib.error:
        return b""


def _raw_profile(kind: bytes, text: bytes) -> bytes:
    """The EXIF block that a text chunk has in hexadecimal digits, after three lines."""
    plain = _decompress(text[1:]) if kind == b"zTXt" else text
    try:
        return bytes.fromhex("".join(plain.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return b""


def _itxt_text(kind: bytes, text: bytes) -> bytes:
    """The text of an iTXt chunk, after its keyword; that of another kind unchanged."""
    if kind != b"iTXt":
        return text
    packed = text[:1] == b"\1"
    match = re.match(rb"..[^\0]*\0[^\0]*\0", text, re.DOTALL)
    plain = text[match.end() :] if match else b""
    return _decompress(plain) if packed else plain
