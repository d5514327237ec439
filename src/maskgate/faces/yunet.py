"""YuNet, a face detector of 76,000 parameters (Wu et al., Machine Intelligence Research 2023).

The file is the one for OpenCV's FaceDetectorYN, which runs it as well; ONNX Runtime takes half
the time, may be called from several threads and prints nothing.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from maskgate.core import onnx_sessions
from maskgate.errors import MaskgateError
from maskgate.faces import model_files, nms, resizing
from maskgate.faces.arguments import number, whole
from maskgate.faces.protocol import NONE, Faces, Floats
from maskgate.imaging.pixels import Pixels

_STRIDES: Final = (8, 16, 32)  # pixels from one place to the next, of the three grids
_PARTS: Final = ("cls", "obj", "bbox", "kps")
_MOST: Final = 5000  # faces that are compared with each other


class YuNet:
    """Finds faces in the photo scaled to `side` pixels at its longest.

    Where it finds none it looks again at half that side: so small, a close-up is a face like
    others. Faces below `score` are dropped; of those that overlap by more than `overlap`
    (intersection over union) the surest stays.
    """

    name = "yunet"

    def __init__(self, file: Path, score: float, side: int, overlap: float) -> None:
        self.score = number("score", score, 0.01, 1)
        self.side = whole("side", side, 64, 2048)
        self.overlap = number("overlap", overlap, 0, 1)
        self.arguments: dict[str, Any] = {"score": score, "side": side, "overlap": overlap}
        self._network = onnx_sessions.load(file)
        self.sha256 = model_files.sha256(file)
        self.files = {model_files.kept_name(self.name): file}
        outputs = {output.name for output in self._network.get_outputs()}
        inputs = self._network.get_inputs()
        if not outputs >= {f"{part}_{stride}" for part in _PARTS for stride in _STRIDES}:
            raise MaskgateError(f"{file}: a model, but not YuNet; name the file of YuNet")
        self._input = inputs[0].name
        # Older files take pictures of one size only.
        lengths = inputs[0].shape[2:]
        self._only = lengths if all(isinstance(length, int) for length in lengths) else None
        if self._only and min(self._only) < self.side:
            raise MaskgateError(
                f"{file}: takes pictures of {self._only[0]} pixels; set side to that or fewer"
            )

    def __call__(self, photo: Pixels) -> Faces:
        small, faces = photo, NONE
        for side in (self.side, self.side // 2):
            if not len(faces):
                small = _scaled(small, photo, side)
                faces = self._found(small)
        back = np.divide(photo.shape[1::-1], small.shape[1::-1], dtype=np.float32)
        return Faces(faces.boxes * np.tile(back, 2), faces.landmarks * back, faces.scores)

    def _found(self, photo: Pixels) -> Faces:
        """The faces in a photo that is small enough."""
        height, width = photo.shape[:2]
        shape = self._only or [-(-length // 32) * 32 for length in (height, width)]
        picture = np.zeros((1, 3, *shape), np.float32)
        picture[0, :, :height, :width] = photo[..., ::-1].transpose(2, 0, 1)
        names = [f"{part}_{stride}" for stride in _STRIDES for part in _PARTS]
        outputs = self._network.run(names, {self._input: picture})
        grids = [
            _decoded(stride, shape[1] // stride, *outputs[4 * number : 4 * number + 4])
            for number, stride in enumerate(_STRIDES)
        ]
        boxes, points, scores = (np.concatenate(parts) for parts in zip(*grids, strict=True))
        sure = np.flatnonzero(scores >= self.score)
        sure = sure[np.argsort(-scores[sure], kind="stable")][:_MOST]
        if not len(sure):
            return NONE
        stay = sure[nms.surest(boxes[sure], scores[sure], self.overlap)]
        return Faces(boxes[stay], points[stay], scores[stay])


def _scaled(source: Pixels, photo: Pixels, side: int) -> Pixels:
    """The photo with `side` pixels at its longest, from `source`, the same at another size."""
    scale = side / max(photo.shape[:2])
    height, width = (max(1, round(length * scale)) for length in photo.shape[:2])
    return resizing.by_area(source, height, width)


def _decoded(
    stride: int, columns: int, classes: Floats, objects: Floats, boxes: Floats, points: Floats
) -> tuple[Floats, Floats, Floats]:
    """Boxes (N, 4), landmarks (N, 5, 2) and scores (N,) of one grid, in pixels of the picture."""
    row, column = np.divmod(np.arange(classes.shape[1]), columns)
    places = np.stack([column, row], axis=1).astype(np.float32)
    centres = (boxes[0, :, :2] + places) * stride
    halves = np.exp(boxes[0, :, 2:]) * (stride / 2)
    landmarks = (points[0].reshape(-1, 5, 2) + places[:, None]) * stride
    scores = np.sqrt(np.clip(classes[0, :, 0], 0, 1) * np.clip(objects[0, :, 0], 0, 1))
    return np.concatenate([centres - halves, centres + halves], axis=1), landmarks, scores
