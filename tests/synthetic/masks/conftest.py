"""Heads of a known pose for the tests of this room, and plain photos to draw them on."""

import math
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import pose

SKIN = (200, 150, 120)


def landmarks(
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    scale: float = 50.0,
    centre: tuple[float, float] = (64.0, 50.0),
) -> npt.NDArray[np.float64]:
    """The generic landmarks (5, 2) of a head turned by degrees, written down a second time."""
    return project(pose.GENERIC, yaw, pitch, roll, scale, centre)


def project(
    points: npt.ArrayLike,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    scale: float = 50.0,
    centre: tuple[float, float] = (64.0, 50.0),
) -> npt.NDArray[np.float64]:
    """Pixels (N, 2) of points (N, 3) in face units: one point, one angle at a time."""
    a, b, c = (math.radians(angle) for angle in (yaw, pitch, roll))
    pixels = []
    for x, y, z in np.asarray(points, dtype=np.float64):
        x, z = x * math.cos(a) + z * math.sin(a), z * math.cos(a) - x * math.sin(a)
        y = y * math.cos(b) + z * math.sin(b)
        x, y = x * math.cos(c) - y * math.sin(c), x * math.sin(c) + y * math.cos(c)
        pixels.append((centre[0] + scale * x, centre[1] + scale * y))
    return np.array(pixels)


def photo(
    height: int = 128, width: int = 128, skin: tuple[int, int, int] = SKIN, noise: float = 2.0
) -> Pixels:
    """A plain wall in front of which everything is skin, with a little noise."""
    rng = np.random.default_rng(3)
    plain = np.full((height, width, 3), skin, dtype=np.float64)
    plain += rng.normal(0, noise, (height, width, 1))
    return np.clip(plain, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def heads() -> SimpleNamespace:
    """`heads.landmarks(yaw, …)`, `heads.project(points, yaw, …)` and `heads.photo(…)`."""
    return SimpleNamespace(landmarks=landmarks, project=project, photo=photo)
