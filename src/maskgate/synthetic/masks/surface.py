"""The surface of a generic head, from the forehead over cheeks and chin down the neck.

A point on it has an angle around the head, 0 in the middle of the face and 90° beside the ears, and
a height y in face units (see `pose`).
"""

from typing import Final

import numpy as np

from maskgate.synthetic.masks.pose import Array

# Height, half the width, foremost z, and how far the section reaches back from there.
_SECTIONS: Final = np.array(
    [
        (-0.80, 1.06, -0.06, 1.05),
        (-0.30, 1.12, 0.09, 1.15),
        (0.00, 1.14, 0.06, 1.15),
        (0.30, 1.13, 0.11, 1.15),
        (0.60, 1.08, 0.16, 1.15),
        (0.93, 1.01, 0.21, 1.10),
        (1.20, 0.91, 0.20, 1.00),
        (1.40, 0.80, 0.18, 0.90),
        (1.55, 0.70, 0.10, 0.82),
        (1.70, 0.64, -0.10, 0.70),
        (1.95, 0.64, -0.42, 0.60),
        (2.40, 0.72, -0.48, 0.60),
        (3.00, 1.20, -0.42, 0.60),
    ]
)
# How far the nose stands out in the middle of the face, by height.
_NOSE: Final = np.array([(-0.15, 0.0), (0.0, 0.10), (0.51, 0.32), (0.62, 0.25), (0.74, 0.0)])
_NOSE_WIDTH: Final = 0.2
EARS: Final = np.array([(-1.13, 0.18, -0.85), (1.13, 0.18, -0.85)])


def smooth(x: Array, knots: Array) -> Array:
    """Values at x of a curve through knots (K, 2), smoothed at the knots."""
    reach = 0.06 * (knots[-1, 0] - knots[0, 0])
    around = x[..., None] + reach * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    curve: Array = np.interp(around, knots[:, 0], knots[:, 1]).mean(-1)
    return curve


def skin(angle: Array, y: Array, nose: bool = True) -> Array:
    """Points (…, 3) of the bare head at angles in radians and heights, both (…)."""
    wide, front, deep = (np.interp(y, _SECTIONS[:, 0], column) for column in _SECTIONS[:, 1:].T)
    x = wide * np.sin(angle)
    z = front - deep * (1 - np.cos(angle))
    if nose:
        z = z + np.interp(y, *_NOSE.T) * np.exp(-((x / _NOSE_WIDTH) ** 2))
    return np.stack([x, y, z], -1)


def normals(points: Array) -> Array:
    """Unit normals (R, C, 3), outward, of a grid of points whose columns go to the right."""
    a, b = _slopes(points.transpose(1, 0, 2)).transpose(1, 0, 2), _slopes(points)
    # With z towards the camera the axes are left-handed; outward is then across × down.
    normal = a[..., [1, 2, 0]] * b[..., [2, 0, 1]] - a[..., [2, 0, 1]] * b[..., [1, 2, 0]]
    length = np.sqrt((normal**2).sum(-1, keepdims=True))
    unit: Array = normal / np.maximum(length, 1e-9)
    return unit


def _slopes(points: Array) -> Array:
    """Differences (R, …) from row to row, one-sided at both ends."""
    slopes = np.empty_like(points)
    slopes[1:-1] = points[2:] - points[:-2]
    slopes[0], slopes[-1] = 2 * (points[1] - points[0]), 2 * (points[-1] - points[-2])
    return slopes
