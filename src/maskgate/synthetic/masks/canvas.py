"""A part of a photo, finer than it, that colours and their opacity are drawn on."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks.pose import Array

Floats = npt.NDArray[np.float32]
_FINE: Final = 340  # pixels across that a drawing is made fine enough to have
_MOST: Final = 3  # times finer than the photo at the most
_MARGIN: Final = 0.3  # face units around what is drawn, for straps and shadows


@dataclass
class Canvas:
    """Its pixels (h, w, 4) hold colours times their opacity, and the opacity.

    `corner` is its top and left in the photo; it is `finer` times finer.
    """

    corner: tuple[int, int]
    finer: int
    pixels: Pixels

    @classmethod
    def around(cls, points: Array, size: tuple[int, int], scale: float) -> "Canvas | None":
        """A clear one around points (N, 2) within a photo of `size`; None where none is within."""
        margin = _MARGIN * scale + 2
        low, high = points.min(0) - margin, points.max(0) + margin
        left, top = np.clip(np.floor(low), 0, size[::-1]).astype(int)
        right, bottom = np.clip(np.ceil(high), 0, size[::-1]).astype(int)
        if right - left < 2 or bottom - top < 2:
            return None
        finer = int(np.clip(_FINE // max(1, right - left), 1 if right - left > 600 else 2, _MOST))
        shape = (bottom - top) * finer, (right - left) * finer, 4
        return cls((int(top), int(left)), finer, np.zeros(shape, dtype=np.uint8))

    @property
    def fine(self) -> tuple[int, int]:
        """Height and width in its own pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def place(self, points: Array) -> Array:
        """Points (…, 2) of the photo in the canvas' own pixels."""
        # Pixel centres: photo pixel 0 covers the canvas' 0 … finer - 1.
        moved: Array = (points - self.corner[::-1] + 0.5) * self.finer - 0.5
        return moved

    def window(self, points: Array) -> tuple[tuple[int, int], Pixels]:
        """The part that holds points (…, 2) of its own pixels: its left and top, and a view."""
        flat = points.reshape(-1, 2)
        left, top = np.clip(np.floor(flat.min(0)) - 1, 0, self.fine[::-1]).astype(int).tolist()
        right, bottom = np.clip(np.ceil(flat.max(0)) + 2, 0, self.fine[::-1]).astype(int).tolist()
        return (left, top), self.pixels[top:bottom, left:right]

    def stroke(self, points: Array, thick: float, ink: npt.ArrayLike) -> None:
        """A line through points (N, 2) of the photo, `thick` canvas pixels, colour 0…1."""
        path = np.round(np.clip(self.place(points), -30_000, 30_000) * 16).astype(np.int32)
        full = (*(float(part) * 255 for part in np.asarray(ink)), 255.0)
        cv2.polylines(self.pixels, [path], False, full, max(1, round(thick)), cv2.LINE_8, 4)

    def coarse(self) -> tuple[list[Floats], Floats]:
        """Colours times opacity (three of H, W) and opacity (H, W), 0…1, as fine as the photo."""
        size = self.pixels.shape[1] // self.finer, self.pixels.shape[0] // self.finer
        small = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        *colour, alpha = (plane.astype(np.float32) / np.float32(255) for plane in cv2.split(small))
        return colour, alpha


def paint(window: Pixels, drawing: Pixels, shown: npt.NDArray[np.bool_]) -> None:
    """Lay a drawing (h, w, 4) over a window of a canvas, all where it is `shown` (h, w)."""
    opacity = drawing[..., 3]
    if opacity.min() == 255:
        np.copyto(window.view(np.uint32), drawing.view(np.uint32), where=shown[..., None])
        return
    share = (opacity * shown).astype(np.float32)[..., None] / 255
    over = drawing.astype(np.float32)
    over[..., 3] = 255
    window[:] = (window * (1 - share) + over * share + 0.5).astype(np.uint8)
