"""Whether a camera shows another scene than usual: it was turned away, or something covers it.

The usual scene is learnt while nobody is in view: the directions of edges in small grey pictures. A
direction is that of a line, so that neither lamps, exposure and infrared, which change brightness
and may invert it, nor new edges beside the usual ones, such as stripes of sun, hide a scene that is
there. The usual edges are laid over a picture at their place and at all others: if it is the usual
scene, they agree far better at their place. Before a wall or a cloth, no place is better than
another. Nothing but these few numbers is kept, in memory.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.door.cameras.small_pictures import SmallPicture

LEARNING: Final = 5.0  # seconds after which the usual scene is known
_MEMORY: Final = 120.0  # seconds over which it follows slow changes, as of daylight
_LONGEST: Final = 1.0  # seconds between two pictures that count, at most
_WEAK: Final = 2.0  # of 255: length of a gradient that counts half as an edge
_STRONG: Final = 20.0  # of 255: from this length on an edge counts no more
_FEWEST: Final = 60.0  # edges, of 2205 points; with fewer there is nothing to compare
_SHIFT: Final = 2  # rows and columns by which a camera that was touched may have moved
_MARGIN: Final = 4  # rows and columns from its place that say nothing on other places
_SURE: Final = 12.0  # likeness from which the usual scene follows as fast as it may

_Edges = npt.NDArray[np.complex64]
"""(35, 63): at each point, a number whose angle is twice that of the gradient; longer for a strong
edge."""


class Scene:
    """The usual scene of one camera."""

    def __init__(self) -> None:
        self._usual: _Edges | None = None
        self._seconds = 0.0

    @property
    def is_known(self) -> bool:
        """Whether it has been learnt."""
        return self._seconds >= LEARNING

    def add(self, picture: SmallPicture, elapsed: float, least: float) -> None:
        """Learn from a picture in which nobody is and hardly anything moves, so many seconds after
        the one before. One that is less like the usual scene than `least` is left out; the less
        like it one is, the slower it is learnt."""
        edges = _edges(picture)
        if self._usual is None:
            self._usual = edges
            return
        alike = _likeness(edges, self._usual) if self.is_known else math.inf
        if alike < least:
            return
        elapsed = min(elapsed, _LONGEST)
        weight = elapsed / min(_MEMORY, self._seconds + elapsed + 0.1) * min(1.0, alike / _SURE)
        self._usual = self._usual + np.float32(weight) * (edges - self._usual)
        self._seconds = min(_MEMORY, self._seconds + elapsed)

    def likeness(self, picture: SmallPicture) -> float:
        """How much better the usual edges agree with a picture at their place than elsewhere, in
        standard deviations. Of the usual scene it is 20 to 80, of a wall or a cloth mostly under 4.
        It is infinite before the usual scene is known, or if that has hardly any edges."""
        if self._usual is None or not self.is_known:
            return math.inf
        return _likeness(_edges(picture), self._usual)

    def forget(self) -> None:
        """Learn another scene from now on."""
        self._usual, self._seconds = None, 0.0


def _edges(picture: SmallPicture) -> _Edges:
    diagonal, other = picture[1:, 1:] - picture[:-1, :-1], picture[1:, :-1] - picture[:-1, 1:]
    gradient = (diagonal + other + 1j * (diagonal - other)) / 2
    length = np.abs(gradient)
    weights = np.sqrt(np.minimum(length, _STRONG)) / (length**2 + _WEAK**2)
    return np.asarray(gradient**2 * weights, np.complex64)


def _likeness(edges: _Edges, usual: _Edges) -> float:
    """See `Scene.likeness`. Both are whitened by half (as in phase correlation), or long edges of
    one direction would agree nearly everywhere."""
    if (np.abs(usual) >= math.sqrt(_WEAK)).sum() < _FEWEST:
        return math.inf
    usual_spectrum, spectrum = np.fft.fft2(usual - usual.mean()), np.fft.fft2(edges - edges.mean())
    product = usual_spectrum.conj() * spectrum
    agreement = np.fft.ifft2(product / (np.sqrt(np.abs(product)) + 1e-9)).real
    far = np.ones(agreement.shape, bool)
    far[np.ix_(_around(_MARGIN), _around(_MARGIN))] = False
    best = agreement[np.ix_(_around(_SHIFT), _around(_SHIFT))].max()
    spread = float(agreement[far].std())
    return float(best - agreement[far].mean()) / spread if spread > 0 else 0.0


def _around(distance: int) -> npt.NDArray[np.int_]:
    """The rows or columns of shifts up to so far, of a circle."""
    return np.arange(-distance, distance + 1)
