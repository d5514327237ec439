"""Chooses the main face of a photo, and the part of the photo that shows a face."""

import math

import numpy as np

from maskgate.core.geometry import Geometry
from maskgate.faces.protocol import Faces
from maskgate.imaging.pixels import Window

Template = tuple[tuple[float, float], ...]
"""Where a network expects the landmarks of a face: x and y of each, as shares of the sides."""


def main_face(faces: Faces, height: int, width: int) -> int | None:
    """The index of the main face of a photo of that size, None if it has no face.

    It is the face with the largest area minus twice the squared distance of its centre from the
    photo's centre.
    """
    if not len(faces):
        return None
    left, top, right, bottom = faces.boxes.astype(np.float64).T
    area = (right - left) * (bottom - top)
    squared_distance = np.square((left + right - width) / 2) + np.square(
        (top + bottom - height) / 2
    )
    return int((area - 2 * squared_distance).argmax())


def window(faces: Faces, number: int, geometry: Geometry, margin: float, align: bool) -> Window:
    """The part of a photo that shows one of its faces, with the aspect ratio of stored pictures.

    The model's input, which is the middle of it, contains the face's box with `margin`, a share of
    its sides, added on every side. With `align` it is rotated so that the eyes are level.
    """
    left, top, right, bottom = (float(edge) for edge in faces.boxes[number])
    box_width, box_height = (1 + 2 * margin) * (right - left), (1 + 2 * margin) * (bottom - top)
    scale = max(
        box_width / geometry.width, box_height / geometry.height, 1e-3
    )  # photo pixels a pixel
    height, width = geometry.stored
    x, y = (left + right) / 2, (top + bottom) / 2
    turn = 0.0
    if align:
        (x0, y0), (x1, y1) = faces.landmarks[number, :2].astype(np.float64)
        turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
    return Window(x=x, y=y, width=scale * width, height=scale * height, turn=turn)


def aligned_window(faces: Faces, number: int, template: Template) -> Window:
    """The square of a photo in which the landmarks of one of its faces lie closest to those of the
    `template`: the least squares of Umeyama 1991, without reflection."""
    # As complex numbers, so that one factor scales and rotates.
    xs, ys = faces.landmarks[number].astype(np.float64).T
    points, places = xs + 1j * ys, np.array([x + 1j * y for x, y in template])
    offsets = places - places.mean()
    factor = (offsets.conj() * (points - points.mean())).sum() / (np.abs(offsets) ** 2).sum()
    centre = points.mean() + factor * ((0.5 + 0.5j) - places.mean())
    side = max(abs(factor), 1.0)
    turn = math.degrees(np.angle(factor))
    return Window(x=centre.real, y=centre.imag, width=side, height=side, turn=turn)
