"""What decoding one photo may take, and what all threads may take at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_MEMORY: Final = 400_000_000  # bytes, all that one photo takes while it is decoded
_OVERHEAD: Final = 5_000_000  # bytes that do not grow with the photo
MAX_SECONDS: Final = 1.5  # estimated, of one core; it leaves room for slower machines
MAX_FILE: Final = 200_000_000  # bytes
MAX_SIDE: Final = 65_535  # pixels; decoders keep whole rows
MAX_JPEG_PIXELS: Final = 200_000_000  # what the largest phone cameras write
MAX_PIXELS: Final = 40_000_000  # of all other formats, which cannot be decoded at a reduced scale
LARGE: Final = 24_000_000  # pixels: a photo that has more is made smaller while it is decoded


class PhotoError(Exception):
    """The bytes are no photo we can read; the message says why in a few words."""


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Raise PhotoError where a photo has no pixel, or more than `most` or than decoders bear."""
    if width < 1 or height < 1:
        raise PhotoError(f"damaged: its size is {width}×{height}")
    if width * height > most:
        raise PhotoError(f"{width}×{height} pixels are over {most:,}")
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"{width}×{height} pixels, and a side may have {MAX_SIDE:,}")


def check_memory(needed: int) -> None:
    """Raise PhotoError where decoding would take over MAX_MEMORY bytes."""
    if needed + _OVERHEAD > MAX_MEMORY:
        raise PhotoError(
            f"decoding it would take {(needed + _OVERHEAD) // 10**6:,} MB of memory, over"
            f" {MAX_MEMORY // 10**6}"
        )


def reduction(width: int, height: int) -> int:
    """By how much both sides of a photo are to be divided so that it has at most LARGE pixels."""
    factor = 1
    while -(-width // factor) * -(-height // factor) > LARGE:
        factor += 1
    return factor


class Budget:
    """Bytes that threads share: who asks for more than is left waits for the others."""

    def __init__(self, size: int) -> None:
        self._left = self._size = size
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """While `size` bytes of the budget, all of it at the most, are in use."""
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()


SHARED: Final = Budget(4 * MAX_MEMORY)
# Of files that were read and wait to be decoded. Who holds SHARED never waits for it.
FILES: Final = Budget(4 * MAX_FILE)
