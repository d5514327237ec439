"""The parts of a network's input: the face, its lower half, what is outside of it, the scenery."""

from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.config.recipe import Photo

Boxes = npt.NDArray[np.float64]  # (N, 4): left, top, right, bottom in pixels of the input
Masks = npt.NDArray[np.bool_]  # (N, H, W)

REGIONS: Final = ("face", "lower half of the face", "outside the face", "scenery")
SMALLEST: Final = 0.05  # share of the input from which on a region can be measured
# Hair, ears, neck and shoulders beside a face: shares of its width and height.
_SIDEWAYS, _ABOVE, _BELOW = 0.4, 0.5, 0.4


def in_input(faces: Boxes, sizes: Boxes, photo: Photo) -> Boxes:
    """The boxes (N, 4) of faces in the input of a network, cut at its edges; NaN without a face.

    `faces` (N, 4) and the photos' `sizes` (N, 2), height and width, are in pixels of the photos.
    The input shows the face if the recipe's `photo` crops it, else the middle of the photo.
    """
    geometry = photo.geometry
    stored_height, stored_width = geometry.stored
    size = np.array([geometry.width, geometry.height], dtype=np.float64)
    offset = np.array(
        [(stored_width - geometry.width) // 2, (stored_height - geometry.height) // 2]
    )
    stored = np.array([stored_width, stored_height], dtype=np.float64)
    first, last = faces[:, :2].astype(np.float64), faces[:, 2:].astype(np.float64)
    if photo.face is None:
        photo_size = sizes[:, ::-1].astype(np.float64)
        scale = (photo_size / stored).min(1, keepdims=True) * geometry.crop
        corner = (photo_size - stored * scale) / 2
        first, last = (first - corner) / scale - offset, (last - corner) / scale - offset
    else:  # the window's centre is that of the face, see `faces.crop.window`
        extent = last - first
        scale = ((1 + 2 * photo.face.margin) * extent / size).max(1, keepdims=True)
        half, centre = extent / scale.clip(1e-3) / 2, stored / 2 - offset
        first, last = centre - half, centre + half
    first, last = first.clip(0, size), last.clip(0, size)
    area = (last - first).prod(1) / size.prod()
    boxes = np.column_stack([first, last])
    return np.where((area > 0.005)[:, None], boxes, np.nan)


def heads(boxes: Boxes, height: int, width: int) -> Boxes:
    """The boxes (N, 4) of faces, widened by the hair, the ears and the neck."""
    left, top, right, bottom = boxes.T
    sideways, above, below = (
        _SIDEWAYS * (right - left), _ABOVE * (bottom - top), _BELOW * (bottom - top)
    )  # fmt: skip
    widened = [left - sideways, top - above, right + sideways, bottom + below]
    return np.column_stack(widened).clip(0, (width, height, width, height))


def masks(boxes: Boxes, height: int, width: int) -> dict[str, Masks]:
    """The pixels of each of the REGIONS in inputs with these boxes of faces."""
    face, head = (_inside(each, height, width) for each in (boxes, heads(boxes, height, width)))
    lower = boxes.copy()
    lower[:, 1] = (boxes[:, 1] + boxes[:, 3]) / 2
    parts = (face, _inside(lower, height, width), ~face, ~head)
    return dict(zip(REGIONS, parts, strict=True))


def _inside(boxes: Boxes, height: int, width: int) -> Masks:
    """The pixels (N, height, width) whose centres are in each box."""
    left, top, right, bottom = boxes.T[:, :, None]
    xs, ys = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside: Masks = ((ys >= top) & (ys < bottom))[:, :, None] & ((xs >= left) & (xs < right))[
        :, None
    ]
    return inside


def shares(heat: npt.NDArray[np.floating], mask: Masks) -> npt.NDArray[np.float64]:
    """The share (N,) of each map's heat (N, H, W) that is in a region; NaN for a map without
    heat."""
    total = heat.sum((1, 2), dtype=np.float64)
    inside = np.where(mask, heat, 0).sum((1, 2), dtype=np.float64)
    return np.divide(inside, total, out=np.full(len(heat), np.nan), where=total > 0)
