"""The small grey picture of a frame, by which a camera's faults are found and motion is."""

from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

GRID: Final = (36, 64)  # rows and columns of the small picture
_CHANGE: Final = 6.0  # of 255: a part of the small picture that changes more moves

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


def moving_share(picture: SmallPicture, before: SmallPicture) -> float:
    """The share of the points that have changed between two small pictures. Lamps and clouds change
    all of it at once, people only a part."""
    change = picture - before
    return float((np.abs(change - np.median(change)) >= _CHANGE).mean())


def is_moving(picture: SmallPicture, before: SmallPicture) -> bool:
    """Whether something has moved between two small pictures."""
    return moving_share(picture, before) > 0
