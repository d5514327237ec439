"""What is wrong with a camera's picture: lost, frozen, dark or covered.

The times and the brightness are those of the kiosk's page (`server/pages/kiosk-faults.js`), for the
same reasons. Times are in seconds of the camera's own clock, see `Frame`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.door.events import Reason
from maskgate.imaging.pixels import Pixels

# Seconds: an older frame, or one that does not change, is no basis for a verdict.
STALE: Final = 2.0
# Seconds after which a compressed picture of nobody that does not change is frozen. Nothing moves
# there, and encoders leave noise out until the next key frame, which may come ten seconds later;
# people do move.
STILL: Final = 20.0
FIRST: Final = 5.0  # seconds for the first frame: a camera must be opened, and send a key frame
DARK: Final = 22.0  # mean brightness of 255 below which a frame is too dark
DARK_TIME: Final = 0.4  # seconds
DARK_ENDS: Final = 26.0  # mean brightness from which it is light again
# Standard deviation of the Laplacian of the small picture below which something covers the lens, or
# it looks at a wall. A lens covered by a hand or tape has under 1, with much noise 3.7; the lowest
# of 120 photos of people has 22.
FLAT: Final = 4.0
FLAT_TIME: Final = 1.0  # seconds
FLAT_ENDS: Final = 5.0
ENDED_TIME: Final = 0.4  # seconds for which a picture must be well again
GRID: Final = (36, 64)  # rows and columns of the small picture

SmallPicture = npt.NDArray[np.float32]


def small_picture(image: Pixels) -> SmallPicture:
    """The brightness (36, 64), 0–255, of a frame: means of green, which is nearly the brightness,
    of some hundred pixels each, also of large frames. Noise hardly shows in it."""
    step = max(1, min(image.shape[0] // GRID[0], image.shape[1] // GRID[1]) // 10)
    green = image[::step, ::step, 1]
    if green.shape[0] < GRID[0] or green.shape[1] < GRID[1]:
        rows = np.arange(GRID[0]) * green.shape[0] // GRID[0]
        columns = np.arange(GRID[1]) * green.shape[1] // GRID[1]
        return green[np.ix_(rows, columns)].astype(np.float32)
    high, wide = green.shape[0] // GRID[0], green.shape[1] // GRID[1]
    blocks = green[: high * GRID[0], : wide * GRID[1]].reshape(GRID[0], high, GRID[1], wide)
    return blocks.mean((1, 3), dtype=np.float32)


def structure(picture: SmallPicture) -> float:
    """The standard deviation of the Laplacian of a small picture: low where there are no edges."""
    centre = picture[1:-1, 1:-1]
    around = picture[:-2, 1:-1] + picture[2:, 1:-1] + picture[1:-1, :-2] + picture[1:-1, 2:]
    return float((4 * centre - around).std())


class _Lasting:
    """A condition that counts once it has lasted `begins` seconds, until it has not been there for
    ENDED_TIME."""

    def __init__(self, begins: float) -> None:
        self._begins = begins
        self._since: float | None = None
        self.is_on = False

    def update(self, time: float, *, is_there: bool) -> None:
        """Whether it is there at a time."""
        if is_there == self.is_on:
            self._since = None
            return
        if self._since is None:
            self._since = time
        if time - self._since >= (ENDED_TIME if self.is_on else self._begins):
            self.is_on, self._since = is_there, None


class Faults:
    """Watches one camera from a time on, at which it has no frame yet. `is_compressed` says that
    its pictures are, as those of the network and of videos."""

    def __init__(self, time: float, *, is_compressed: bool) -> None:
        self._still = STILL if is_compressed else STALE
        self._is_frozen = False
        self._frame_time = self._change_time = time + FIRST - STALE
        self._last: Pixels | None = None
        self._dark, self._flat = _Lasting(DARK_TIME), _Lasting(FLAT_TIME)

    def add(self, image: Pixels, picture: SmallPicture, time: float) -> None:
        """A new frame, with its small picture."""
        if time - self._frame_time > STALE:
            self._change_time = time
        self._frame_time = time
        if self._last is None or not np.array_equal(self._last, image):
            self._change_time, self._is_frozen = time, False
        self._last = image
        brightness = float(picture.mean())
        self._dark.update(time, is_there=brightness < (DARK_ENDS if self._dark.is_on else DARK))
        flat = FLAT_ENDS if self._flat.is_on else FLAT
        self._flat.update(time, is_there=structure(picture) < flat)

    def at(self, time: float, *, is_empty: bool) -> Reason | None:
        """What is wrong at a time; None if nothing is. A camera that has given no frame yet is lost
        after FIRST seconds. `is_empty` says that its newest frames show nobody."""
        if time - self._frame_time > STALE:
            return "lost"
        if self._dark.is_on:
            return "dark"
        if time - self._change_time > (self._still if is_empty else STALE):
            self._is_frozen = True
        if self._is_frozen:
            return "frozen"
        return "covered" if self._flat.is_on else None
