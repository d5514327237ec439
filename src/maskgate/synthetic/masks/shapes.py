"""The shape of a mask in space, by how it is cut and how it sits: a grid of points."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from maskgate.synthetic.masks import surface
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.placements import PLACEMENTS
from maskgate.synthetic.masks.pose import Array

COLUMNS: Final = 15
ROWS: Final = 9
_U: Final = np.linspace(-1, 1, COLUMNS)
_V: Final = np.linspace(0, 1, ROWS)
# From the five knots of an edge to the cubic along it: cloth has no corners.
_CUBIC: Final = np.vander(np.abs(_U), 4) @ np.linalg.pinv(np.vander(np.linspace(0, 1, 5), 4))
# How far cloth that hangs from the nose stands off the face below it.
_TENT: Final = np.array(
    [(-0.5, 0.0), (0.0, 0.1), (0.3, 0.25), (0.52, 0.34), (0.8, 0.24), (1.2, 0.1), (1.6, 0.0)]
)
_TENT_WIDTH: Final = 0.38


@dataclass(frozen=True)
class Cut:
    """How a kind of mask is cut.

    `reach` is the angle (degrees) to which it goes around the head; `upper` and `lower` are the
    heights of its edges, as shares of its own, at |u| from 0 (middle) to 1 (side); `bulge` is how
    far it stands off at (u, v), in face units.
    """

    reach: float
    upper: tuple[float, ...]
    lower: tuple[float, ...]
    bulge: Callable[[Array, Array], Array]


def _dome(power: float, high: float) -> Callable[[Array, Array], Array]:
    return lambda u, v: high * (1 - np.abs(u) ** power) * np.sin(np.pi * np.clip(v, 0, 1)) ** 0.8


def _keel(u: Array, v: Array) -> Array:
    """A fold down the middle that stands out."""
    return 0.3 * (1 - np.abs(u)) * np.sin(np.pi * np.clip(0.1 + 0.8 * v, 0, 1))


def _boat(u: Array, v: Array) -> Array:
    """Three panels: the middle one stands upright before the mouth."""
    return 0.26 * (1 - u**2) * np.interp(v, [0, 0.3, 0.68, 1], [0, 0.9, 1, 0.1])


CUTS: Final = {
    "surgical": Cut(66, (0, 0.03, 0.09, 0.13, 0.15), (1, 0.97, 0.86, 0.71, 0.55), _dome(2, 0.12)),
    "kf94": Cut(70, (0, 0.05, 0.13, 0.21, 0.3), (1, 0.97, 0.85, 0.69, 0.5), _boat),
    "kn95": Cut(66, (0, 0.08, 0.17, 0.23, 0.28), (1, 0.94, 0.82, 0.69, 0.56), _keel),
    "cup": Cut(47, (0, 0.04, 0.15, 0.29, 0.48), (1, 0.985, 0.93, 0.82, 0.6), _dome(2.2, 0.3)),
    "cloth": Cut(64, (0, 0.06, 0.15, 0.21, 0.25), (1, 0.97, 0.88, 0.76, 0.63), _dome(1.6, 0.16)),
    "clear": Cut(62, (0, 0.03, 0.08, 0.12, 0.15), (1, 0.97, 0.9, 0.79, 0.68), _dome(2, 0.15)),
    "scarf": Cut(86, (0, 0.0, 0.0, 0.0, 0.0), (1, 1, 1, 1, 1), _dome(4, 0.14)),
    "collar": Cut(86, (0, 0.0, -0.04, -0.08, -0.12), (1, 1, 1, 1, 1), _dome(4, 0.1)),
}


def points(outfit: Outfit, side: float = 0.0) -> Array:
    """The mask's points (ROWS, COLUMNS, 3) in face units; columns go to the right, rows down.

    `side` (-1 or 1) is the ear that a mask hangs from where it does.
    """
    cut = CUTS[outfit.style]
    rng = np.random.default_rng(outfit.seed)
    u, v = np.meshgrid(_U, _V)
    upper = _edge(cut.upper, rng)
    lower = _edge(cut.lower, rng)
    share = upper * (1 - v) + lower * v
    if outfit.placement == "one_ear":
        return _hanging(outfit, u, share, side)
    tall = outfit.bottom - outfit.top
    y = outfit.top + tall * share + outfit.sag * (1 - u**2) * (1 - v)
    angle = math.radians(cut.reach) * outfit.wide * u
    y = y + np.sin(outfit.tilt) * np.sin(angle)
    angle = np.clip(angle + outfit.aside, -1.5, 1.5)
    base = surface.skin(angle, y, nose=False)
    over = PLACEMENTS[outfit.placement].nose if outfit.is_mask else 0.7
    tent = surface.smooth(y, _TENT) * np.exp(-((base[..., 0] / _TENT_WIDTH) ** 2)) * over
    flatter = 1 if over else 0.5  # pulled tight where it does not rest on the nose
    rise = np.maximum(tent, cut.bulge(u, v) * outfit.puff * flatter * min(1, tall / 1.2))
    rise = rise + 0.03
    base[..., 2] += rise * np.cos(angle) ** 0.7
    base[..., 0] += rise * np.sin(angle) * 0.5
    return base


def _edge(heights: tuple[float, ...], rng: np.random.Generator) -> Array:
    """Heights (COLUMNS,) of an edge, a little uneven."""
    knots = np.array(heights, dtype=np.float64)
    knots[1:] += rng.normal(0, 0.012, len(knots) - 1)
    knots += (knots - knots[0]) * rng.uniform(-0.2, 0.25)
    curve: Array = _CUBIC @ knots
    return curve


def _hanging(outfit: Outfit, u: Array, share: Array, side: float) -> Array:
    """A mask that hangs down from one ear, seen nearly edge on."""
    ear = surface.EARS[int(side > 0)]
    across = (share - 0.5) * 0.9 * outfit.wide
    along = outfit.top + (u + 1) / 2 * (outfit.bottom - outfit.top)
    x = ear[0] * 0.93 + across + side * 0.04 * np.sin(3 * u)
    z = ear[2] + 0.35 + 0.08 * np.cos(4 * share) + 0 * u
    points = np.stack([x + outfit.tilt * 2 * along, along, z], -1)
    # Rows go across and columns down here: turned so that the outside is seen.
    turned: Array = points[::-1].copy()
    return turned


def corners(grid: Array) -> Array:
    """Where the straps begin: (2 sides, 2 heights, 3), upper before lower."""
    rows = (1, ROWS - 2)
    return np.stack([grid[rows, 0], grid[rows, -1]])
