"""Chooses the main face of a photo, and the part of the photo that shows a face."""

import math

import numpy as np

from maskgate.core.geometry import Geometry
from maskgate.faces.protocol import Faces
from maskgate.imaging.pixels import Window


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
