"""Limits of memory and time for decoding one photo, and of memory for all threads together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_MEMORY: Final = 400_000_000  # bytes for decoding one photo
_OVERHEAD: Final = 5_000_000  # bytes that do not depend on the photo
MAX_SECONDS: Final = 1.5  # estimated, on one core; slower machines may take longer
MAX_FILE: Final = 200_000_000  # bytes
MAX_SIDE: Final = 65_535  # pixels; decoders keep complete rows in memory
MAX_JPEG_PIXELS: Final = 200_000_000  # as the largest phone cameras have
MAX_PIXELS: Final = 40_000_000  # of other formats, which cannot be decoded at a reduced scale
LARGE: Final = 24_000_000  # pixels: a photo with more is reduced while it is decoded


class PhotoError(Exception):
    """The bytes are not a photo that can be read; the message gives the reason in a few words."""


class PhotoTooLargeError(PhotoError):
    """Decoding the photo would take too much memory, or it has too many pixels."""


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raise PhotoError if a photo has no pixels, over `max_pixels`, or a side that is too long."""
    if width < 1 or height < 1:
        raise PhotoError(f"damaged: its size is {width}×{height}")
    if width * height > max_pixels:
        raise PhotoTooLargeError(f"{width}×{height} pixels are over {max_pixels:,}")
    if max(width, height) > MAX_SIDE:
        raise PhotoTooLargeError(f"{width}×{height} pixels; a side may have at most {MAX_SIDE:,}")


def check_memory(needed: int) -> None:
    """Raise PhotoError if decoding would need more than MAX_MEMORY bytes."""
    if needed + _OVERHEAD > MAX_MEMORY:
        raise PhotoTooLargeError(
            f"decoding it would take {(needed + _OVERHEAD) // 10**6:,} MB of memory, over"
            f" {MAX_MEMORY // 10**6}"
        )


def reduction(width: int, height: int) -> int:
    """The smallest divisor of both sides for which a photo has at most LARGE pixels."""
    factor = 1
    while -(-width // factor) * -(-height // factor) > LARGE:
        factor += 1
    return factor


class Budget:
    """Bytes that threads share: a thread that needs more than is left waits for the others."""

    def __init__(self, size: int) -> None:
        self._left = self._size = size
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Reserve `size` bytes of the budget, or all of it if that is less, for the context."""
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
# For files that are read and not yet decoded. A thread that has reserved SHARED never waits for it.
FILES: Final = Budget(4 * MAX_FILE)
