"""Reads a BMP's header: its size, and whether it is compressed."""

from typing import Final

from maskgate.imaging.decoding import limits
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import PhotoError

_OLD_HEADER: Final = 12  # bytes: that of OS/2, with sizes in 16 bits
_RUN_LENGTHS: Final = (1, 2)  # compressions
_MAX_RUN_LENGTH_PIXELS: Final = 1_000_000  # Pillow decodes these in Python


def read(content: bytes) -> Encoded:
    """The BMP before decoding. Raises PhotoError if decoding needs too much memory or time."""
    if len(content) < 34:
        raise PhotoError("damaged: a BMP cut short in its header")
    if int.from_bytes(content[14:18], "little") == _OLD_HEADER:
        width, height = (
            int.from_bytes(content[offset : offset + 2], "little") for offset in (18, 20)
        )
        compression = 0
    else:
        width, height = (
            abs(int.from_bytes(content[offset : offset + 4], "little", signed=True))
            for offset in (18, 22)
        )
        compression = int.from_bytes(content[30:34], "little")
    limits.check_size(width, height)
    if compression in _RUN_LENGTHS:
        limits.check_size(width, height, _MAX_RUN_LENGTH_PIXELS)
        if len(content) > 2 * _MAX_RUN_LENGTH_PIXELS:
            raise PhotoError("a compressed BMP of over 2 MB")
    reduced = 4 * width * height // limits.reduction(width, height) ** 2
    memory = len(content) + 4 * width * height + reduced
    limits.check_memory(memory)
    return Encoded(
        format="BMP", width=width, height=height, orientation=1, content=content, memory=memory
    )
