"""YuNet, a face detector of 76,000 parameters (Wu et al., Machine Intelligence Research 2023).

The file is the one for OpenCV's FaceDetectorYN. ONNX Runtime runs it instead: it takes half the
time, may be called from several threads and prints nothing.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from maskgate.core import onnx_sessions
from maskgate.errors import MaskgateError
from maskgate.faces import model_files, nms, resizing
from maskgate.faces.arguments import check_integer, check_number
from maskgate.faces.protocol import NO_FACES, Faces, Floats
from maskgate.imaging.pixels import Pixels

_STRIDES: Final = (8, 16, 32)  # pixels between the cells of each of the three grids
_PARTS: Final = ("cls", "obj", "bbox", "kps")
_OUTPUTS: Final = [f"{part}_{stride}" for stride in _STRIDES for part in _PARTS]
_MAX_FACES: Final = 5000  # before non-maximum suppression


class YuNet:
    """Finds faces in the photo scaled to `side` pixels at its longest.

    If it finds none, it searches again at half that side, where the face of a close-up has the
    usual size. Faces below `score` are dropped; of faces that overlap by more than `overlap`
    (intersection over union) the one with the highest score is kept.
    """

    name = "yunet"

    def __init__(self, file: Path, score: float, side: int, overlap: float) -> None:
        self.score = check_number("score", score, 0.01, 1)
        self.side = check_integer("side", side, 64, 2048)
        self.overlap = check_number("overlap", overlap, 0, 1)
        self.arguments: dict[str, Any] = {"score": score, "side": side, "overlap": overlap}
        self._network = onnx_sessions.load(file)
        self.sha256 = model_files.sha256(file)
        self.files = {model_files.kept_name(self.name): file}
        outputs = {output.name for output in self._network.get_outputs()}
        inputs = self._network.get_inputs()
        if not outputs >= set(_OUTPUTS):
            raise MaskgateError(f"{file}: a model, but not YuNet; name the file of YuNet")
        self._input = inputs[0].name
        # Older files accept pictures of one size only.
        lengths = inputs[0].shape[2:]
        self._fixed_size = lengths if all(isinstance(length, int) for length in lengths) else None
        if self._fixed_size and min(self._fixed_size) < self.side:
            raise MaskgateError(
                f"{file}: takes pictures of {self._fixed_size[0]} pixels; set side to that or fewer"
            )

    def __call__(self, photo: Pixels) -> Faces:
        small, faces = photo, NO_FACES
        for side in (self.side, self.side // 2):
            if not len(faces):
                small = _scaled(small, photo, side)
                faces = self._detect(small)
        scale_back = np.divide(photo.shape[1::-1], small.shape[1::-1], dtype=np.float32)
        return Faces(
            faces.boxes * np.tile(scale_back, 2), faces.landmarks * scale_back, faces.scores
        )

    def _detect(self, photo: Pixels) -> Faces:
        """The faces in a photo that has been scaled down."""
        height, width = photo.shape[:2]
        shape = self._fixed_size or [-(-length // 32) * 32 for length in (height, width)]
        picture = np.zeros((1, 3, *shape), np.float32)
        picture[0, :, :height, :width] = photo[..., ::-1].transpose(2, 0, 1)
        outputs = self._network.run(_OUTPUTS, {self._input: picture})
        classes, objects, offsets, points = (
            np.concatenate(outputs[number :: len(_PARTS)], axis=1)[0]
            for number in range(len(_PARTS))
        )
        scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
        confident = np.flatnonzero(scores >= self.score)
        confident = confident[np.argsort(-scores[confident], kind="stable")][:_MAX_FACES]
        if not len(confident):
            return NO_FACES
        cells, strides = (each[confident] for each in _grid(shape[0], shape[1]))
        boxes = _boxes(offsets[confident], cells, strides)
        scores = scores[confident]
        kept = nms.suppress(boxes, scores, self.overlap)
        landmarks = (points[confident].reshape(-1, 5, 2) + cells[:, None]) * strides[:, None]
        return Faces(boxes[kept], landmarks[kept], scores[kept])


def _scaled(source: Pixels, photo: Pixels, side: int) -> Pixels:
    """The photo with `side` pixels at its longest, from `source`, the same at another size."""
    scale = side / max(photo.shape[:2])
    height, width = (max(1, round(length * scale)) for length in photo.shape[:2])
    return resizing.resize_area(source, height, width)


@lru_cache(maxsize=64)
def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """The cells (N, 2), column and row, of the three grids of a picture, and the strides (N, 1) of
    their grids."""
    cells, strides = [], []
    for stride in _STRIDES:
        columns, rows = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((columns.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _boxes(offsets: Floats, cells: Floats, strides: Floats) -> Floats:
    """Boxes (N, 4) in pixels of the picture, from what the network gives for some cells."""
    centres = (offsets[:, :2] + cells) * strides
    halves = np.exp(offsets[:, 2:]) * (strides / 2)
    return np.concatenate([centres - halves, centres + halves], axis=1)
