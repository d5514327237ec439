"""Whether a camera shows another scene than usual: it was turned away, or something covers it.

The usual scene is learnt while nobody is in view and nothing moves: the gradients of small grey
pictures, block by block. Lamps, clouds and the camera's exposure change their length but not their
direction, so the correlation of a block with the usual one stays. People hide some blocks, and are
known by their faces. Nothing but these few numbers is kept, in memory.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.door.cameras.small_pictures import GRID, SmallPicture

LEARNING: Final = 5.0  # seconds after which the usual scene is known
_MEMORY: Final = 120.0  # seconds over which it follows slow changes, as of daylight
_BLOCK: Final = (6, 8)  # rows and columns of a block
_EDGES: Final = 3.0  # of 255: length of the gradient, root mean square, of a block that counts
_FEWEST: Final = 8  # blocks of 48 that count; with fewer there is nothing to compare
_AGREE: Final = 0.5  # correlation from which a block is as usual
_OTHER: Final = 0.25  # share of the blocks as usual below which the scene is another one
_SAME: Final = 0.5  # share from which the usual scene follows the picture
_SHIFT: Final = 2  # rows and columns by which a camera that was touched may have moved
_LONGEST: Final = 1.0  # seconds between two pictures that count, at most

_Gradient = npt.NDArray[np.float32]
"""(36, 64, 2): down and to the right."""


class Scene:
    """The usual scene of one camera."""

    def __init__(self) -> None:
        self._usual: _Gradient | None = None
        self._seconds = 0.0

    @property
    def is_known(self) -> bool:
        """Whether it has been learnt."""
        return self._seconds >= LEARNING

    def add(self, picture: SmallPicture, elapsed: float) -> None:
        """Learn from a picture in which nobody is and nothing moves, so many seconds after the one
        before. One that is another scene is left out."""
        gradient = _gradient(picture)
        if self._usual is None:
            self._usual = gradient
        elif not self.is_known or _share(gradient, self._usual) >= _SAME:
            elapsed = min(elapsed, _LONGEST)
            weight = elapsed / min(_MEMORY, self._seconds + elapsed + 0.1)
            self._usual = self._usual + weight * (gradient - self._usual)
            self._seconds = min(_MEMORY, self._seconds + elapsed)

    def differs(self, picture: SmallPicture) -> bool:
        """Whether a picture shows another scene. None does before the usual one is known, or if
        that has hardly any edges."""
        if self._usual is None or not self.is_known:
            return False
        gradient = _gradient(picture)
        if _share(gradient, self._usual) >= _OTHER:
            return False
        steps = range(-_SHIFT, _SHIFT + 1)
        moved = (np.roll(gradient, (down, right), (0, 1)) for down in steps for right in steps)
        return all(_share(each, self._usual) < _OTHER for each in moved)

    def forget(self) -> None:
        """Learn another scene from now on."""
        self._usual, self._seconds = None, 0.0


def _gradient(picture: SmallPicture) -> _Gradient:
    down, right = np.gradient(picture)
    return np.stack([down, right], axis=-1)


def _share(gradient: _Gradient, usual: _Gradient) -> float:
    """The share of the blocks with edges in the usual scene that are as usual; 1 if there are too
    few to say."""
    energy = _sums(usual**2)
    counts = energy >= _EDGES**2 * _BLOCK[0] * _BLOCK[1]
    if counts.sum() < _FEWEST:
        return 1.0
    both = _sums(gradient * usual)
    lengths = np.sqrt(energy * _sums(gradient**2)) + 1e-6
    return float((both / lengths >= _AGREE)[counts].mean())


def _sums(values: _Gradient) -> npt.NDArray[np.float32]:
    """The sums (6, 8) over each block."""
    high, wide = _BLOCK
    blocks = values.reshape(GRID[0] // high, high, GRID[1] // wide, wide, 2)
    return np.asarray(blocks.sum((1, 3, 4)), np.float32)
