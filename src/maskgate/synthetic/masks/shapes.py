"""The 3D shape of a mask, from its cut and placement: a grid of points."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from maskgate.synthetic.masks import surface
from maskgate.synthetic.masks.outfits import SHIELD, Outfit
from maskgate.synthetic.masks.placements import PLACEMENTS
from maskgate.synthetic.masks.pose import Array

COLUMNS: Final = 15
ROWS: Final = 9
_U: Final = np.linspace(-1, 1, COLUMNS)
_V: Final = np.linspace(0, 1, ROWS)
# Fits a cubic through the five knots of an edge: cloth has no corners.
_CUBIC: Final = np.vander(np.abs(_U), 4) @ np.linalg.pinv(np.vander(np.linspace(0, 1, 5), 4))
# How far cloth that rests on the nose is from the face below it.
_NOSE_TENT: Final = np.array(
    [(-0.5, 0.0), (0.0, 0.1), (0.3, 0.25), (0.52, 0.34), (0.8, 0.24), (1.2, 0.1), (1.6, 0.0)]
)
_TENT_WIDTH: Final = 0.38
_VISOR_RADIUS: Final = 1.25  # face units
_VISOR_FRONT: Final = 0.72  # its z in the middle


@dataclass(frozen=True)
class Cut:
    """The cut of a kind of mask.

    `reach` is the angle (degrees) to which it goes around the head; `upper` and `lower` are the
    heights of its edges, as shares of its height, at |u| from 0 (middle) to 1 (side); `bulge` is
    its distance from the face at (u, v), in face units.
    """

    reach: float
    upper: tuple[float, ...]
    lower: tuple[float, ...]
    bulge: Callable[[Array, Array], Array]


def _dome(power: float, high: float) -> Callable[[Array, Array], Array]:
    return lambda u, v: high * (1 - np.abs(u) ** power) * np.sin(np.pi * np.clip(v, 0, 1)) ** 0.8


def _keel(high: float) -> Callable[[Array, Array], Array]:
    """A vertical fold in the middle that stands out."""
    return lambda u, v: high * (1 - np.abs(u)) * np.sin(np.pi * np.clip(0.1 + 0.8 * v, 0, 1))


def _boat(u: Array, v: Array) -> Array:
    """Three panels: the middle one is upright in front of the mouth."""
    return 0.26 * (1 - u**2) * np.interp(v, [0, 0.3, 0.68, 1], [0, 0.9, 1, 0.1])


CUTS: Final = {
    "surgical": Cut(66, (0, 0.03, 0.09, 0.13, 0.15), (1, 0.97, 0.86, 0.71, 0.55), _dome(2, 0.12)),
    "kf94": Cut(70, (0, 0.05, 0.13, 0.21, 0.3), (1, 0.97, 0.85, 0.69, 0.5), _boat),
    "kn95": Cut(66, (0, 0.08, 0.17, 0.23, 0.28), (1, 0.94, 0.82, 0.69, 0.56), _keel(0.3)),
    "cup": Cut(47, (0, 0.04, 0.15, 0.29, 0.48), (1, 0.985, 0.93, 0.82, 0.6), _dome(2.2, 0.3)),
    "cloth": Cut(64, (0, 0.06, 0.15, 0.21, 0.25), (1, 0.97, 0.88, 0.76, 0.63), _dome(1.6, 0.16)),
    "sponge": Cut(76, (0, 0.05, 0.14, 0.22, 0.3), (1, 0.98, 0.9, 0.76, 0.58), _keel(0.16)),
    "clear": Cut(62, (0, 0.03, 0.08, 0.12, 0.15), (1, 0.97, 0.9, 0.79, 0.68), _dome(2, 0.15)),
    "scarf": Cut(86, (0, 0.0, 0.0, 0.0, 0.0), (1, 1, 1, 1, 1), _dome(4, 0.14)),
    "collar": Cut(86, (0, 0.0, -0.04, -0.08, -0.12), (1, 1, 1, 1, 1), _dome(4, 0.1)),
}


def points(outfit: Outfit, side: float = 0.0) -> Array:
    """The mask's points (ROWS, COLUMNS, 3) in face units; columns go to the right, rows down.

    `side` (-1 or 1) is the ear that a mask with the placement `one_ear` hangs from.
    """
    if outfit.style == SHIELD:
        return _visor(outfit)
    cut = CUTS[outfit.style]
    rng = np.random.default_rng(outfit.seed)
    u, v = np.meshgrid(_U, _V)
    upper = _edge(cut.upper, rng)
    lower = _edge(cut.lower, rng)
    share = upper * (1 - v) + lower * v
    if outfit.placement == "one_ear":
        return _hanging(outfit, u, share, side)
    height = outfit.bottom - outfit.top
    y = outfit.top + height * share + outfit.sag * (1 - u**2) * (1 - v)
    angle = math.radians(cut.reach) * outfit.wide * u
    y = y + np.sin(outfit.tilt) * np.sin(angle)
    angle = np.clip(angle + outfit.aside, -1.5, 1.5)
    base = surface.skin(angle, y, nose=False)
    nose_share = PLACEMENTS[outfit.placement].nose if outfit.is_mask else 0.7
    tent = surface.smooth(y, _NOSE_TENT) * np.exp(-((base[..., 0] / _TENT_WIDTH) ** 2)) * nose_share
    flattening = 1 if nose_share else 0.5  # pulled tight where it does not rest on the nose
    rise = np.maximum(tent, cut.bulge(u, v) * outfit.puff * flattening * min(1, height / 1.2))
    rise = rise + 0.03
    base[..., 2] += rise * np.cos(angle) ** 0.7
    base[..., 0] += rise * np.sin(angle) * 0.5
    return base


def _visor(outfit: Outfit) -> Array:
    """The points of a face shield: part of a cylinder, with rounded lower corners."""
    u, v = np.meshgrid(_U, _V)
    angle = math.radians(72) * outfit.wide * u
    height = outfit.bottom - outfit.top
    y = outfit.top + height * v * (1 - 0.14 * np.abs(u) ** 5) + outfit.tilt * np.sin(angle)
    angle = angle + outfit.aside
    front = _VISOR_FRONT * outfit.puff + 0.08 * v
    z = front - _VISOR_RADIUS * (1 - np.cos(angle))
    return np.stack([_VISOR_RADIUS * np.sin(angle), y, z], -1)


def _edge(heights: tuple[float, ...], rng: np.random.Generator) -> Array:
    """The heights (COLUMNS,) of an edge, slightly uneven."""
    knots = np.array(heights, dtype=np.float64)
    knots[1:] += rng.normal(0, 0.012, len(knots) - 1)
    knots += (knots - knots[0]) * rng.uniform(-0.2, 0.25)
    curve: Array = _CUBIC @ knots
    return curve


def _hanging(outfit: Outfit, u: Array, share: Array, side: float) -> Array:
    """The points of a mask that hangs down from one ear, nearly edge on."""
    ear = surface.EARS[int(side > 0)]
    offset_x = (share - 0.5) * 0.9 * outfit.wide
    heights = outfit.top + (u + 1) / 2 * (outfit.bottom - outfit.top)
    x = ear[0] * 0.93 + offset_x + side * 0.04 * np.sin(3 * u)
    z = ear[2] + 0.35 + 0.08 * np.cos(4 * share) + 0 * u
    points = np.stack([x + outfit.tilt * 2 * heights, heights, z], -1)
    # Rows are horizontal and columns vertical here: reversed so that the outside faces the camera.
    reversed_points: Array = points[::-1].copy()
    return reversed_points


def corners(grid: Array) -> Array:
    """The starts of the straps: (2 sides, 2 heights, 3), upper before lower."""
    rows = (1, ROWS - 2)
    return np.stack([grid[rows, 0], grid[rows, -1]])
