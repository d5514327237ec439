"""A canvas over a part of a photo, at a higher resolution, for colours and their opacity."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks.pose import Array

Floats = npt.NDArray[np.float32]
_TARGET_WIDTH: Final = 340  # pixels: the width that a drawing should have
_MAX_FINER: Final = 3  # times the photo's resolution
_MARGIN: Final = 0.3  # face units around the drawing, for straps and shadows


@dataclass
class Canvas:
    """Its pixels (h, w, 4) are colours times their opacity, and the opacity.

    `corner` is its top and left in the photo; its resolution is `finer` times the photo's.
    """

    corner: tuple[int, int]
    finer: int
    pixels: Pixels

    @classmethod
    def around(cls, points: Array, size: tuple[int, int], scale: float) -> "Canvas | None":
        """An empty canvas around points (N, 2) in a photo of `size`; None if all are outside."""
        margin = _MARGIN * scale + 2
        low, high = points.min(0) - margin, points.max(0) + margin
        left, top = np.clip(np.floor(low), 0, size[::-1]).astype(int)
        right, bottom = np.clip(np.ceil(high), 0, size[::-1]).astype(int)
        if right - left < 2 or bottom - top < 2:
            return None
        finer = int(
            np.clip(
                _TARGET_WIDTH // max(1, right - left), 1 if right - left > 600 else 2, _MAX_FINER
            )
        )
        shape = (bottom - top) * finer, (right - left) * finer, 4
        return cls((int(top), int(left)), finer, np.zeros(shape, dtype=np.uint8))

    @property
    def fine(self) -> tuple[int, int]:
        """Height and width in its own pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def place(self, points: Array) -> Array:
        """Map points (…, 2) of the photo to the canvas' own pixels."""
        # Pixel centres: photo pixel 0 covers the canvas' 0 … finer - 1.
        moved: Array = (points - self.corner[::-1] + 0.5) * self.finer - 0.5
        return moved

    def window(self, points: Array) -> tuple[tuple[int, int], Pixels]:
        """The part around points (…, 2) in its own pixels: its left and top, and a view of it."""
        flat = points.reshape(-1, 2)
        left, top = np.clip(np.floor(flat.min(0)) - 1, 0, self.fine[::-1]).astype(int).tolist()
        right, bottom = np.clip(np.ceil(flat.max(0)) + 2, 0, self.fine[::-1]).astype(int).tolist()
        return (left, top), self.pixels[top:bottom, left:right]

    def stroke(self, points: Array, thick: float, ink: npt.ArrayLike) -> None:
        """Draw a line through points (N, 2) of the photo, `thick` canvas pixels, colour 0…1."""
        path = np.round(np.clip(self.place(points), -30_000, 30_000) * 16).astype(np.int32)
        colour_and_opacity = (*(float(part) * 255 for part in np.asarray(ink)), 255.0)
        cv2.polylines(
            self.pixels, [path], False, colour_and_opacity, max(1, round(thick)), cv2.LINE_8, 4
        )

    def coarse(self) -> tuple[list[Floats], Floats]:
        """Colours times opacity (three of H, W) and opacity (H, W), 0…1, at the photo's
        resolution."""
        size = self.pixels.shape[1] // self.finer, self.pixels.shape[0] // self.finer
        small = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
        *colour, alpha = (plane.astype(np.float32) / np.float32(255) for plane in cv2.split(small))
        return colour, alpha


def paint(window: Pixels, drawing: Pixels, visible: npt.NDArray[np.bool_]) -> None:
    """Paint a drawing (h, w, 4) over a window of a canvas, where it is `visible` (h, w)."""
    opacity = drawing[..., 3]
    if opacity.min() == 255:
        np.copyto(window.view(np.uint32), drawing.view(np.uint32), where=visible[..., None])
        return
    share = (opacity * visible).astype(np.float32)[..., None] / 255
    opaque = drawing.astype(np.float32)
    opaque[..., 3] = 255
    window[:] = (window * (1 - share) + opaque * share + 0.5).astype(np.uint8)
