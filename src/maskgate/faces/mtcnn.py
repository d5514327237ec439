"""MTCNN, a cascade of three small networks.

Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks,
IEEE Signal Processing Letters 2016. Boxes and landmarks are those of the package facenet-pytorch,
whose weights these are; the cascade is our own and needs neither that package nor torch.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from maskgate.faces import mtcnn_export, nms, resizing
from maskgate.faces.arguments import number
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import NONE, Faces, Floats
from maskgate.imaging.pixels import Pixels

_CELL: Final = 12  # pixels of a face that the first network sees,
_STRIDE: Final = 2  # in steps of this many,
_SECOND, _THIRD = 24, 48  # and the sides of what the others see
_OVERLAP: Final = 0.5  # of two candidates; 0.7 as elsewhere finds no more and takes 4/3 the time
_LAST_OVERLAP: Final = 0.7
_MOST: Final = 2000  # candidates of the first network
_RIM: Final = 0.25  # of the photo's width and height, on each side
_GREY: Final = 127


class MTCNN:
    """Finds faces from `min_face` of the photo's shorter side on.

    `thresholds` are what a candidate's score must reach after each of the three networks; the
    pictures of the pyramid become smaller by `factor`. Faces are at least 12 pixels and a hundredth
    of the photo's longer side. A photo in which none is found is looked at with a rim around it.
    """

    name = "mtcnn"

    def __init__(
        self,
        folders: Folders,
        min_face: float,
        thresholds: Sequence[float],
        factor: float,
    ) -> None:
        self.min_face = number("min_face", min_face, 0.01, 1)
        self.factor = number("factor", factor, 0.1, 0.95)
        if not isinstance(thresholds, list | tuple) or len(thresholds) != 3:
            raise ValueError(f"thresholds is {thresholds!r}; give three numbers")
        self.thresholds = [number("thresholds", each, 0, 1) for each in thresholds]
        self.arguments: dict[str, Any] = {
            "min_face": min_face,
            "thresholds": list(thresholds),
            "factor": factor,
        }
        place = folders.cache / "models"
        networks = None
        if folders.kept is not None and (networks := mtcnn_export.find(folders.kept)):
            place = folders.kept
        self._first, self._second, self._third = networks or mtcnn_export.load(place)
        self.files = {file.name: file for file in mtcnn_export.paths(place)}
        self.sha256 = mtcnn_export.SHA256

    def __call__(self, photo: Pixels) -> Faces:
        height, width = photo.shape[:2]
        least = max(_CELL, self.min_face * min(height, width), max(height, width) / 100)
        # No network looks at the smallest face in more detail than this.
        scale = min(1.0, _THIRD / least)
        small = _resized(photo, photo, scale) if scale < 1 else photo
        back = np.array([width / small.shape[1], height / small.shape[0]], dtype=np.float32)
        faces = self._found(small, least * scale)
        if not len(faces):
            # No square that the first network sees is larger than the photo; a close-up is.
            rim_y, rim_x = (round(length * _RIM) for length in small.shape[:2])
            rims = ((rim_y, rim_y), (rim_x, rim_x), (0, 0))
            wider = np.pad(small, rims, constant_values=_GREY)
            faces = self._found(wider, least * scale, (rim_x, rim_y))
        return Faces(faces.boxes * np.tile(back, 2), faces.landmarks * back, faces.scores)

    def _found(self, photo: Pixels, least: float, corner: tuple[int, int] = (0, 0)) -> Faces:
        """The faces of `least` pixels or more, seen from `corner` (x, y)."""
        boxes = self._proposed(photo, least)
        if len(boxes):
            boxes = self._refined(photo, boxes)
        if not len(boxes):
            return NONE
        faces = self._last(photo, boxes)
        away = np.array(corner, np.float32)
        return Faces(faces.boxes - np.tile(away, 2), faces.landmarks - away, faces.scores)

    def _proposed(self, photo: Pixels, least: float) -> Floats:
        """Squares (N, 4) in which the first network sees a face of `least` pixels or more."""
        found = [np.zeros((0, 9), np.float32)]
        seen, scale = photo, _CELL / least
        while min(photo.shape[:2]) * scale >= _CELL:
            # From the one before: for the small ones that takes a tenth of the time.
            seen = _resized(photo, seen, scale)
            scores, moves = self._first.run(None, {"pixels": seen[None]})
            rows, columns = np.nonzero(scores[0, 0] >= self.thresholds[0])
            corners = np.stack([columns, rows], axis=1).astype(np.float32) * _STRIDE
            boxes = np.concatenate([(corners + 1) // scale, (corners + _CELL) // scale], axis=1)
            surely = scores[0, 0, rows, columns]
            stay = nms.surest(boxes, surely, _OVERLAP)[:_MOST]
            parts = [boxes, surely[:, None], moves[0][:, rows, columns].T]
            found.append(np.concatenate(parts, axis=1)[stay].astype(np.float32))
            scale *= self.factor
        boxes = np.concatenate(found)
        boxes = boxes[nms.surest(boxes[:, :4], boxes[:, 4], _OVERLAP)[:_MOST]]
        sizes = boxes[:, 2:4] - boxes[:, :2]
        return _squares(boxes[:, :4] + boxes[:, 5:] * np.tile(sizes, 2))

    def _refined(self, photo: Pixels, boxes: Floats) -> Floats:
        """Of the squares (N, 4) those that the second network takes for faces, moved."""
        boxes, seen = _seen(photo, boxes, _SECOND)
        scores, moves = self._second.run(None, {"pixels": seen})
        stay = np.flatnonzero(scores[:, 0] > self.thresholds[1])
        stay = stay[nms.surest(boxes[stay], scores[stay, 0], _OVERLAP)]
        return _squares(_moved(boxes[stay], moves[stay]))

    def _last(self, photo: Pixels, boxes: Floats) -> Faces:
        """The faces that the third network finds in the squares (N, 4)."""
        boxes, seen = _seen(photo, boxes, _THIRD)
        scores, moves, points = self._third.run(None, {"pixels": seen})
        stay = np.flatnonzero(scores[:, 0] > self.thresholds[2])
        boxes, sure = boxes[stay], scores[stay, 0]
        sizes = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        landmarks = boxes[:, None, :2] - 1 + sizes * points[stay].reshape(-1, 2, 5).swapaxes(1, 2)
        boxes = _moved(boxes, moves[stay])
        first = nms.surest(boxes, sure, _LAST_OVERLAP, of_smaller=True)
        return Faces(boxes[first], landmarks[first], sure[first])


def _resized(photo: Pixels, source: Pixels, scale: float) -> Pixels:
    """The photo times `scale`, from a `source` that is no smaller."""
    height, width = (int(length * scale + 1) for length in photo.shape[:2])
    return resizing.by_area(source, height, width)


def _seen(photo: Pixels, boxes: Floats, side: int) -> tuple[Floats, Pixels]:
    """The boxes that hold pixels of the photo, and these at `side` pixels squared."""
    height, width = photo.shape[:2]
    corners = np.trunc(boxes).astype(np.int64)
    low = np.maximum(corners[:, :2], 1) - 1
    high = np.minimum(corners[:, 2:], (width, height))
    inside = np.flatnonzero((low < high).all(axis=1))
    seen = np.empty((len(inside), side, side, 3), np.uint8)
    for place, (left, top), (right, bottom) in zip(seen, low[inside], high[inside], strict=True):
        place[:] = resizing.by_area(photo[top:bottom, left:right], side, side)
    return boxes[inside], seen


def _moved(boxes: Floats, moves: Floats) -> Floats:
    """The boxes with each edge moved by a share of their width or height."""
    return boxes + moves * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _squares(boxes: Floats) -> Floats:
    """Squares around the same centres, as long as the longer side."""
    sizes = boxes[:, 2:4] - boxes[:, :2]
    sides = sizes.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + (sizes - sides) / 2
    return np.concatenate([corners, corners + sides], axis=1)
