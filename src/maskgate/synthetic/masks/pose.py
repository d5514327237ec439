"""Estimates the position and rotation of a head from the five landmarks of its face.

Face units: one is the distance of the eyes, the origin lies between them, x points to the right
of the photo, y down and z out of the photo, towards the camera.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# The five landmarks of a face that looks into the camera.
GENERIC: Final = np.array(
    [
        (-0.5, 0.0, 0.0),
        (0.5, 0.0, 0.0),
        (0.0, 0.51, 0.43),
        (-0.42, 0.93, 0.12),
        (0.42, 0.93, 0.12),
    ]
)
MOST_YAW: Final = math.radians(75)
MOST_PITCH: Final = math.radians(35)
_STEPS: Final = 6
_TOLERANCE: Final = 0.06  # face units by which people's landmarks differ from the generic ones
_LIKELY_YAW: Final = 0.7  # radians: standard deviation of the prior
_LIKELY_PITCH: Final = 0.2
_REACH: Final = 0.55  # face units within which a landmark deforms the surface


@dataclass(frozen=True)
class Pose:
    """A scaled-orthographic view: `rotation` (3, 3), `scale` in pixels a face unit, `centre` (2,).

    `yaw` (positive: looks to the right of the photo), `pitch` (positive: looks down) and `roll`
    (positive: clockwise) are in radians. `anchors` (5, 2) are the projected generic landmarks and
    `pulls` (5, 2) the offsets of the true ones from them, in pixels.
    """

    yaw: float
    pitch: float
    roll: float
    rotation: Array
    scale: float
    centre: Array
    anchors: Array
    pulls: Array

    def project(self, points: Array) -> Array:
        """Pixels (…, 2) of points (…, 3) in face units, deformed towards the true landmarks."""
        flat = self.scale * (points @ self.rotation[:2].T) + self.centre
        distances = flat[..., None, :] - self.anchors
        weight = np.exp(-(distances**2).sum(-1) / (2 * (_REACH * self.scale) ** 2))
        total = weight.sum(-1, keepdims=True) + 0.3
        pulled: Array = flat + (weight / total) @ self.pulls
        return pulled

    def turn(self, vectors: Array) -> Array:
        """Vectors (…, 3) of the face in the camera's coordinates."""
        turned: Array = vectors @ self.rotation.T
        return turned


def _rotation(yaw: float, pitch: float, roll: float) -> Array:
    """The rotation (3, 3) of a face by yaw, then pitch, then roll."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    upright = np.array([(cy, 0, sy), (-sy * sp, cp, cy * sp), (-sy * cp, -sp, cy * cp)])
    rolled: Array = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)]) @ upright
    return rolled


def _landmarks_at(x: Array) -> tuple[Array, Array]:
    """Landmarks (5, 2) for yaw, pitch, roll, log scale, x and y, and their derivatives (10, 6)."""
    yaw, pitch, roll, size = x[0], x[1], x[2], math.exp(x[3])
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    row_x, row_y = (cy, 0.0, sy), (-sy * sp, cp, cy * sp)
    spin = np.array([(cr, -sr), (sr, cr)]) * size
    plain = spin @ np.array([row_x, row_y])
    by_yaw = spin @ np.array([(-sy, 0.0, cy), (-cy * sp, 0.0, -sy * sp)])
    by_pitch = spin @ np.array([(0.0, 0.0, 0.0), (-sy * cp, -sp, cy * cp)])
    flat, *turned = (GENERIC @ part.T for part in (plain, by_yaw, by_pitch))
    slopes = np.zeros((10, 6))
    slopes[:, 0], slopes[:, 1] = turned[0].ravel(), turned[1].ravel()
    slopes[0::2, 2], slopes[1::2, 2] = -flat[:, 1], flat[:, 0]
    slopes[:, 3] = flat.ravel()
    slopes[0::2, 4] = slopes[1::2, 5] = 1
    return flat + x[4:], slopes


def fit(landmarks: npt.ArrayLike) -> Pose:
    """The most likely pose for landmarks (5, 2) in pixels, in the order of faces.LANDMARKS.

    Fits the generic landmarks to them, with a prior on how far heads usually turn; yaw and pitch
    stay within MOST_YAW and MOST_PITCH. Raises ValueError if the landmarks are not finite or lie in
    one place.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise ValueError("landmarks are five finite points")
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    size = math.hypot(*(mouth - eyes))
    if max(size, math.hypot(*(points[1] - points[0]))) < 1:
        raise ValueError("the landmarks lie in one place")
    size = max(size, math.hypot(*(points[1] - points[0])) * 0.6)
    middle = points.mean(0)
    local = (points - middle) / size
    x = _first_guess(local)
    expected = np.array([0.0, 0.0, x[2], 0, 0, 0])
    trust = np.array([1 / _LIKELY_YAW, 1 / _LIKELY_PITCH, 1 / 1.5, 0, 0, 0])
    bound = np.array([MOST_YAW, MOST_PITCH, 7, 3, 9, 9])
    for _ in range(_STEPS):
        projected, slopes = _landmarks_at(x)
        unit = _TOLERANCE * math.exp(x[3])
        slopes /= unit
        miss = (local - projected).ravel() / unit
        weighted = slopes.T / np.sqrt(1 + (miss / 3) ** 2)  # outliers count less
        normal_matrix = weighted @ slopes + np.diag(trust**2 + 1e-6)
        right_side = weighted @ miss + trust**2 * (expected - x)
        step = np.linalg.solve(normal_matrix, right_side)
        x = np.minimum(np.maximum(x + np.minimum(np.maximum(step, -0.5), 0.5), -bound), bound)
    anchors = _landmarks_at(x)[0] * size + middle
    scale = math.exp(x[3]) * size
    pulls = points - anchors
    length = np.hypot(pulls[:, 0], pulls[:, 1])[:, None]
    pulls = pulls * np.minimum(
        1, 0.25 * scale / (length + 1e-9)
    )  # larger offsets would fold the surface
    yaw, pitch, roll = x[:3].tolist()
    rotation = _rotation(yaw, pitch, roll)
    return Pose(
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        rotation=rotation,
        scale=scale,
        centre=x[4:] * size + middle,
        anchors=anchors,
        pulls=pulls,
    )


def _first_guess(points: Array) -> Array:
    """Yaw, pitch, roll, log scale, x and y: roll from eyes to mouth, yaw from the nose."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    eyes_to_mouth, eye_to_eye = mouth - eyes, points[1] - points[0]
    # Either direction may be short: one in a profile, the other in a bent head.
    axis = np.array([eye_to_eye[0] + eyes_to_mouth[1], eye_to_eye[1] - eyes_to_mouth[0]])
    roll = math.atan2(axis[1], axis[0])
    right = np.array([math.cos(roll), math.sin(roll)])
    height = max(np.hypot(*eyes_to_mouth) / 0.93, np.hypot(*eye_to_eye) * 0.8, 1e-3)
    yaw = math.asin(
        float(np.clip((points[2] - (eyes + mouth) / 2) @ right / (0.4 * height), -1, 1))
    )
    yaw = float(np.clip(yaw, -1.1, 1.1))
    return np.array([yaw, 0, roll, math.log(height), *eyes])
