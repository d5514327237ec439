"""A mask's straps: lines from its corners to the ears or around the head."""

from typing import Final

import numpy as np

from maskgate.synthetic.masks import shapes, surface
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.pose import Array, Pose

_THICK: Final = {"ears": 0.022, "head": 0.035}  # face units
_THICK_SPONGE: Final = 0.09
_MIN_FACING: Final = 0.12  # a side of the head turned away farther than this has no visible straps
_HEAD: Final = ((1.1, -0.05, -0.75), (1.1, 0.75, -0.75))  # ends of the upper and lower strap
_STEPS: Final = np.linspace(0, 1, 9)[:, None]


def lines(head: Pose, grid: Array, outfit: Outfit) -> list[Array]:
    """The visible straps as lines (9, 2) in pixels, from a mask's points (see `shapes.points`)."""
    if outfit.fastening == "none":
        return []
    hangs_from_ear = outfit.placement == "one_ear"
    visible = []
    for side, ends in enumerate(shapes.corners(grid)):
        sign = (-1, 1)[side]
        if hangs_from_ear and side:  # its other end hangs free
            continue
        if not hangs_from_ear and head.turn(np.array([sign, 0.0, 0.35]))[2] < _MIN_FACING:
            continue
        for low, end in enumerate(ends):
            if outfit.fastening == "ears" or hangs_from_ear:
                ear = surface.EARS[int(nearer(head) > 0) if hangs_from_ear else side]
                target = ear + np.array([0, 0.32 * low - 0.1, 0])
            else:
                target = np.array(_HEAD[low]) * (sign, 1, 1)
            middle = (end + target) / 2 + np.array([sign * 0.05, 0.06 * (1 - 2 * low), 0.12])
            t = _STEPS
            visible.append(
                head.project(end * (1 - t) ** 2 + 2 * middle * t * (1 - t) + target * t**2)
            )
    return visible


def thickness(outfit: Outfit) -> float:
    """The width of its straps in face units."""
    return _THICK_SPONGE if outfit.style == "sponge" else _THICK[outfit.fastening]


def nearer(head: Pose) -> float:
    """The ear nearer to the camera: -1 at the left of the photo, 1 at the right."""
    return -1.0 if head.yaw > 0 else 1.0
