"""Whether a camera's picture stands still: the same frame comes again and again.

A picture with a person in it changes, and so does one whose frames are compressed each by itself:
the sensor's noise is in each of them. H.264 and its like leave out what hardly changes, so a still
scene may be the same to the last bit for minutes. Then nothing tells a frozen camera from a working
one, unless its noise came through before: noise does not end at once.
"""

from typing import Final

import numpy as np

from maskgate.door.cameras.frames import Frame
from maskgate.imaging.pixels import Pixels

STALE: Final = 2.0  # seconds for which a picture that always changes may be the same
STILL: Final = 900.0  # seconds for which one of nobody may, if it had no noise before
LEARNING: Final = 20.0  # seconds of noise after which it is known to come through
_PARTS: Final = 4  # rows and columns of parts of a frame in which changes are looked for
_SPREAD: Final = 4  # parts that change in a frame with noise; a clock or a screen has fewer
_LAPSE: Final = 3  # frames in a row without noise after which it does not come through
_LIGHT: Final = 20.0  # of 255: noise is another if the brightness has changed by more
_LONGEST: Final = 1.0  # seconds between two frames that count, at most


class _Noise:
    """Whether the noise of a camera comes through, as far as frames of nobody say."""

    def __init__(self) -> None:
        self._seconds, self._brightness, self._lapse = 0.0, 0.0, 0

    @property
    def comes_through(self) -> bool:
        """Whether it has lately been in the frames for LEARNING seconds in all."""
        return self._seconds >= LEARNING

    def see(self, brightness: float) -> None:
        """A frame is so bright: in another light the noise is another."""
        if abs(brightness - self._brightness) > _LIGHT:
            self._seconds, self._brightness = 0.0, brightness

    def add(self, parts: int, elapsed: float) -> None:
        """So many parts of a still frame of nobody differ from the one before."""
        self._lapse = 0 if parts >= _SPREAD else self._lapse + 1
        if self._lapse >= _LAPSE:
            self._seconds = 0.0
        else:
            self._seconds = min(LEARNING, self._seconds + min(elapsed, _LONGEST))


class Stillness:
    """Watches one camera from a time on, in seconds."""

    def __init__(self, time: float) -> None:
        self._last: Frame | None = None
        self._noise = _Noise()
        self._change_time, self._limit, self._is_frozen = time, STALE, False

    def restart(self, time: float) -> None:
        """There were no frames before this time: so long is none the same."""
        self._change_time = time

    def add(self, frame: Frame, brightness: float, *, is_quiet: bool) -> None:
        """A new frame, and its mean brightness. `is_quiet` says that nobody is in view and nothing
        moves."""
        last, self._last = self._last, frame
        self._noise.see(brightness)
        if last is None or last.image.shape != frame.image.shape:
            self._change(frame)
            return
        parts = _parts(last.image, frame.image)
        if parts or not np.array_equal(last.image, frame.image):
            self._change(frame)
        if is_quiet:
            self._noise.add(parts, frame.time - last.time)

    def is_frozen(self, time: float, *, is_empty: bool) -> bool:
        """Whether it stands still at a time; it does then until it changes."""
        if time - self._change_time > (self._limit if is_empty else STALE):
            self._is_frozen = True
        return self._is_frozen

    def _change(self, frame: Frame) -> None:
        is_telling = self._noise.comes_through or not frame.is_predicted
        self._limit = STALE if is_telling else STILL
        self._change_time, self._is_frozen = frame.time, False


def _parts(one: Pixels, other: Pixels) -> int:
    """In how many of 16 parts some pixels, of every few, differ."""
    step = max(1, min(one.shape[:2]) // 360)
    differ = one[::step, ::step, 1] != other[::step, ::step, 1]
    rows = np.array_split(differ, _PARTS)
    return sum(bool(part.any()) for row in rows for part in np.array_split(row, _PARTS, axis=1))
