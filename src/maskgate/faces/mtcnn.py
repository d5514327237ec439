"""MTCNN, a cascade of three small networks.

Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks,
IEEE Signal Processing Letters 2016. The weights, boxes and landmarks are those of the package
facenet-pytorch; this implementation of the cascade needs neither that package nor torch.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from maskgate.faces import mtcnn_export, nms, resizing
from maskgate.faces.arguments import check_number
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import NO_FACES, Faces, Floats
from maskgate.imaging.pixels import Pixels

_CELL: Final = 12  # pixels: side of the squares that the first network sees
_STRIDE: Final = 2  # pixels between these squares
_SECOND, _THIRD = 24, 48  # pixels: sides of the inputs of the second and third network
_OVERLAP: Final = 0.5  # of two candidates; the usual 0.7 finds no more faces and takes 4/3 the time
_LAST_OVERLAP: Final = 0.7
_MAX_CANDIDATES: Final = 2000  # of the first network
_BORDER: Final = 0.25  # share of the photo's width and height, added on each side
_GREY: Final = 127


class MTCNN:
    """Finds faces that are at least `min_face` of the photo's shorter side.

    `thresholds` are the scores that a candidate needs after each of the three networks. Each
    picture of the image pyramid is smaller than the one before by `factor`. Faces are at least 12
    pixels and a hundredth of the photo's longer side. A photo without a face is searched again
    with a border added around it.
    """

    name = "mtcnn"

    def __init__(
        self,
        folders: Folders,
        min_face: float,
        thresholds: Sequence[float],
        factor: float,
    ) -> None:
        self.min_face = check_number("min_face", min_face, 0.01, 1)
        self.factor = check_number("factor", factor, 0.1, 0.95)
        if not isinstance(thresholds, list | tuple) or len(thresholds) != 3:
            raise ValueError(f"thresholds is {thresholds!r}; give three numbers")
        self.thresholds = [check_number("thresholds", each, 0, 1) for each in thresholds]
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
        min_size = max(_CELL, self.min_face * min(height, width), max(height, width) / 100)
        # At this scale the smallest face is as large as the third network's input.
        scale = min(1.0, _THIRD / min_size)
        small = _resized(photo, photo, scale) if scale < 1 else photo
        scale_back = np.array([width / small.shape[1], height / small.shape[0]], dtype=np.float32)
        faces = self._detect(small, min_size * scale)
        if not len(faces):
            # The first network's squares lie inside the photo; the face of a close-up may not.
            border_y, border_x = (round(length * _BORDER) for length in small.shape[:2])
            borders = ((border_y, border_y), (border_x, border_x), (0, 0))
            padded = np.pad(small, borders, constant_values=_GREY)
            faces = self._detect(padded, min_size * scale, (border_x, border_y))
        return Faces(
            faces.boxes * np.tile(scale_back, 2), faces.landmarks * scale_back, faces.scores
        )

    def _detect(self, photo: Pixels, min_size: float, corner: tuple[int, int] = (0, 0)) -> Faces:
        """The faces of `min_size` pixels or more, in coordinates relative to `corner` (x, y)."""
        boxes = self._propose(photo, min_size)
        if len(boxes):
            boxes = self._refine(photo, boxes)
        if not len(boxes):
            return NO_FACES
        faces = self._landmarked(photo, boxes)
        offset = np.array(corner, np.float32)
        return Faces(faces.boxes - np.tile(offset, 2), faces.landmarks - offset, faces.scores)

    def _propose(self, photo: Pixels, min_size: float) -> Floats:
        """Squares (N, 4) in which the first network sees a face of `min_size` pixels or more."""
        candidates = [np.zeros((0, 9), np.float32)]
        picture, scale = photo, _CELL / min_size
        while min(photo.shape[:2]) * scale >= _CELL:
            # From the one before: for the small ones that takes a tenth of the time.
            picture = _resized(photo, picture, scale)
            scores, offsets = self._first.run(None, {"pixels": picture[None]})
            rows, columns = np.nonzero(scores[0, 0] >= self.thresholds[0])
            corners = np.stack([columns, rows], axis=1).astype(np.float32) * _STRIDE
            boxes = np.concatenate([(corners + 1) // scale, (corners + _CELL) // scale], axis=1)
            box_scores = scores[0, 0, rows, columns]
            kept = nms.suppress(boxes, box_scores, _OVERLAP)[:_MAX_CANDIDATES]
            columns_of_candidates = [boxes, box_scores[:, None], offsets[0][:, rows, columns].T]
            candidates.append(
                np.concatenate(columns_of_candidates, axis=1)[kept].astype(np.float32)
            )
            scale *= self.factor
        boxes = np.concatenate(candidates)
        boxes = boxes[nms.suppress(boxes[:, :4], boxes[:, 4], _OVERLAP)[:_MAX_CANDIDATES]]
        sizes = boxes[:, 2:4] - boxes[:, :2]
        return _squares(boxes[:, :4] + boxes[:, 5:] * np.tile(sizes, 2))

    def _refine(self, photo: Pixels, boxes: Floats) -> Floats:
        """Of the squares (N, 4) those that the second network takes for faces, moved."""
        boxes, pictures = _crops(photo, boxes, _SECOND)
        scores, offsets = self._second.run(None, {"pixels": pictures})
        kept = np.flatnonzero(scores[:, 0] > self.thresholds[1])
        kept = kept[nms.suppress(boxes[kept], scores[kept, 0], _OVERLAP)]
        return _squares(_moved(boxes[kept], offsets[kept]))

    def _landmarked(self, photo: Pixels, boxes: Floats) -> Faces:
        """The faces that the third network finds in the squares (N, 4)."""
        boxes, pictures = _crops(photo, boxes, _THIRD)
        scores, offsets, points = self._third.run(None, {"pixels": pictures})
        kept = np.flatnonzero(scores[:, 0] > self.thresholds[2])
        boxes, box_scores = boxes[kept], scores[kept, 0]
        sizes = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        landmarks = boxes[:, None, :2] - 1 + sizes * points[kept].reshape(-1, 2, 5).swapaxes(1, 2)
        boxes = _moved(boxes, offsets[kept])
        kept = nms.suppress(boxes, box_scores, _LAST_OVERLAP, of_smaller=True)
        return Faces(boxes[kept], landmarks[kept], box_scores[kept])


def _resized(photo: Pixels, source: Pixels, scale: float) -> Pixels:
    """The photo times `scale`, from a `source` that is no smaller."""
    height, width = (int(length * scale + 1) for length in photo.shape[:2])
    return resizing.resize_area(source, height, width)


def _crops(photo: Pixels, boxes: Floats, side: int) -> tuple[Floats, Pixels]:
    """The boxes that hold pixels of the photo, and these at `side` pixels squared."""
    height, width = photo.shape[:2]
    corners = np.trunc(boxes).astype(np.int64)
    low = np.maximum(corners[:, :2], 1) - 1
    high = np.minimum(corners[:, 2:], (width, height))
    inside = np.flatnonzero((low < high).all(axis=1))
    pictures = np.empty((len(inside), side, side, 3), np.uint8)
    for place, (left, top), (right, bottom) in zip(
        pictures, low[inside], high[inside], strict=True
    ):
        place[:] = resizing.resize_area(photo[top:bottom, left:right], side, side)
    return boxes[inside], pictures


def _moved(boxes: Floats, offsets: Floats) -> Floats:
    """The boxes with each edge moved by a share of their width or height."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _squares(boxes: Floats) -> Floats:
    """Squares around the same centres, as long as the longer side."""
    sizes = boxes[:, 2:4] - boxes[:, :2]
    sides = sizes.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + (sizes - sides) / 2
    return np.concatenate([corners, corners + sides], axis=1)
