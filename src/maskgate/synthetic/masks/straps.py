"""What a mask is held by: lines from its corners to the ears or around the head."""

from typing import Final

import numpy as np

from maskgate.synthetic.masks import shapes, surface
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.pose import Array, Pose

THICK: Final = {"ears": 0.022, "head": 0.035}  # face units
_HIDDEN: Final = 0.12  # a side of the head turned away farther than this shows no straps
_HEAD: Final = ((1.1, -0.05, -0.75), (1.1, 0.75, -0.75))  # where straps leave the upper, lower view
_STEPS: Final = np.linspace(0, 1, 9)[:, None]


def lines(head: Pose, grid: Array, outfit: Outfit) -> list[Array]:
    """Lines (9, 2) in pixels, those that are seen, from a mask's points (see `shapes.points`)."""
    if outfit.fastening == "none":
        return []
    hanging = outfit.placement == "one_ear"
    seen = []
    for side, ends in enumerate(shapes.corners(grid)):
        sign = (-1, 1)[side]
        if hanging and side:  # its other end hangs free
            continue
        if not hanging and head.turn(np.array([sign, 0.0, 0.35]))[2] < _HIDDEN:
            continue
        for low, end in enumerate(ends):
            if outfit.fastening == "ears" or hanging:
                ear = surface.EARS[int(nearer(head) > 0) if hanging else side]
                goal = ear + np.array([0, 0.32 * low - 0.1, 0])
            else:
                goal = np.array(_HEAD[low]) * (sign, 1, 1)
            middle = (end + goal) / 2 + np.array([sign * 0.05, 0.06 * (1 - 2 * low), 0.12])
            t = _STEPS
            seen.append(head.project(end * (1 - t) ** 2 + 2 * middle * t * (1 - t) + goal * t**2))
    return seen


def nearer(head: Pose) -> float:
    """The ear that is seen better: -1 at the left of the photo, 1 at the right."""
    return -1.0 if head.yaw > 0 else 1.0
