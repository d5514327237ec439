"""Measures the light, colour cast, blur and noise of a photo on its face."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import surface
from maskgate.synthetic.masks.pose import Array, Pose

Floats = npt.NDArray[np.float32]
LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_SKIN_TINT: Final = np.array([1.24, 0.94, 0.80])  # of skin under white light, over its mean
_ANGLES, _HEIGHTS = np.meshgrid(np.radians(np.linspace(-62, 62, 13)), np.linspace(0.15, 1.35, 10))
_POINTS: Final = surface.skin(_ANGLES, _HEIGHTS)
_NORMALS: Final = surface.normals(_POINTS)


@dataclass(frozen=True)
class Light:
    """The light of a photo; colours are (3,) in 0…1.

    `white` and `black` are the colours of white and black things near the face, `skin` that of its
    skin. `slope` (3,) is how brightness grows along a normal in camera coordinates (x, y, z), as a
    share of the mean. `blur` is a standard deviation in pixels, `noise` one in 0…1. `grey` photos
    have no colour.
    """

    white: Array
    black: Array
    skin: Array
    slope: Array
    blur: float
    noise: float
    grey: bool


def measure(photo: Pixels, pose: Pose) -> Light:
    """The light on the face with this pose in a photo (H, W, 3)."""
    height, width = photo.shape[:2]
    face_region = _around(photo, pose)
    step = max(1, math.ceil(max(face_region.shape[:2]) / 36))
    sample = face_region[::step, ::step].reshape(-1, 3).astype(np.float32) / 255
    grey = bool((sample.max(1) - sample.min(1)).mean() < 0.012)
    flat = np.round(pose.project(_POINTS)).astype(int)
    facing = pose.turn(_NORMALS)
    inside = ((flat >= 0) & (flat < (width, height))).all(-1) & (facing[..., 2] > 0.15)
    if inside.sum() < 12:
        colours, normals = sample.astype(np.float64), np.zeros((len(sample), 3))
    else:
        x, y = flat[inside].T
        colours, normals = photo[y, x] / 255.0, facing[inside]
    level = colours @ LUMA
    # Brows, beard, lips and highlights are not skin.
    deviation = np.abs(level - np.median(level))
    is_skin = deviation <= 2.5 * np.median(deviation) + 0.02
    skin = np.median(colours[is_skin], 0)
    mean = max(0.02, float(level[is_skin].mean()))
    slope = _slope(normals[is_skin], level[is_skin] / mean)
    order = np.argsort(sample @ LUMA)
    dark, bright = (sample[order[int(share * len(sample))]] @ LUMA for share in (0.02, 0.95))
    top = float(np.clip(0.5 * bright + 0.5 * min(1.0, 1.7 * mean + 0.05), 0.06, 0.93))
    tint = np.ones(3)
    if not grey:
        lights = sample[order[int(0.85 * len(sample)) :]].mean(0)
        skins = skin / max(1e-3, skin.mean()) / _SKIN_TINT
        tint = (lights / max(1e-3, lights.mean())) ** 0.3 * np.clip(skins, 0.5, 1.6) ** 0.2
        tint = tint / (tint @ LUMA)
    low = min(0.6 * float(dark), 0.3 * top)
    blur, noise = _grain(face_region, pose.scale)
    return Light(
        white=top * tint,
        black=np.full(3, low) * tint,
        skin=skin,
        slope=slope,
        blur=blur,
        noise=noise,
        grey=grey,
    )


def _around(photo: Pixels, pose: Pose) -> Pixels:
    """The part of the photo around the face, or the full photo if the face is outside it."""
    x, y = pose.project(np.array([0.0, 0.6, 0.2]))
    reach = 1.5 * pose.scale
    left, right = (int(np.clip(edge, 0, photo.shape[1])) for edge in (x - reach, x + reach))
    top, bottom = (int(np.clip(edge, 0, photo.shape[0])) for edge in (y - reach, y + reach))
    return photo[top:bottom, left:right] if right - left > 4 and bottom - top > 4 else photo


def _slope(normals: Array, level: Array) -> Array:
    """The least squares slope of level - 1 over the normals, regularised and bounded."""
    centred = normals - normals.mean(0)
    left = centred.T @ centred + 4 * np.eye(3)
    slope: Array = np.linalg.solve(left, centred.T @ (level - level.mean()))
    return slope * min(1.0, 0.9 / (float(np.linalg.norm(slope)) + 1e-9))


def _grain(face_region: Pixels, scale: float) -> tuple[float, float]:
    """Blur (pixels) and noise (0…1) of a part of a photo whose eyes are `scale` pixels apart."""
    step = max(1.0, scale / 50)
    level = cv2.cvtColor(face_region, cv2.COLOR_RGB2GRAY)
    size = max(8, round(level.shape[1] / step)), max(8, round(level.shape[0] / step))
    small = cv2.resize(level, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    steps = np.abs(np.diff(small, axis=1))
    two = np.abs(small[:, 2:] - small[:, :-2])
    steep = two >= max(6.0, float(np.quantile(two, 0.95)))
    blur = 0.5
    if steep.any():
        ratio = float((np.maximum(steps[:, 1:], steps[:, :-1])[steep] / two[steep]).mean())
        blur = float(np.interp(ratio, [0.53, 0.57, 0.62, 0.7, 0.8], [2.2, 1.5, 1.0, 0.65, 0.4]))
    fine = cv2.filter2D(small, -1, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32))
    noise = float(np.median(np.abs(fine[1:-1, 1:-1]))) / 0.6745 / 6 / 255
    return blur * step, min(0.05, noise)
