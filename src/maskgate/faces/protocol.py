"""The interface of face detectors: photo → faces."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

VERSION: Final = 1  # raise it with any change of what detectors find: cached faces depend on it
Floats = npt.NDArray[np.float32]
BOX: Final = ("left", "top", "right", "bottom")
LANDMARKS: Final = ("eye at the left", "eye at the right", "nose", "mouth left", "mouth right")


@dataclass(frozen=True)
class Faces:
    """The F faces that a detector finds in one photo, highest score first.

    `boxes` (F, 4) are left, top, right and bottom. `landmarks` (F, 5, 2) are the x and y of
    LANDMARKS (left and right as seen in the photo). Both are in pixels of the photo and may lie
    outside it. `scores` (F,) are between 0 and 1.
    """

    boxes: Floats
    landmarks: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)


NO_FACES: Final = Faces(np.zeros((0, 4), "f4"), np.zeros((0, 5, 2), "f4"), np.zeros(0, "f4"))


class Detector(Protocol):
    """Finds faces.

    `sha256` is the hash of its model's file or weights, `arguments` are all its arguments, and
    `files` are its model files by the names that they have in a run.
    """

    name: str
    sha256: str
    arguments: dict[str, Any]
    files: dict[str, Path]

    def __call__(self, photo: Pixels) -> Faces:
        """The faces in a photo (H, W, 3), RGB; may be called from several threads."""
        ...


def detector_key(detector: Detector) -> str:
    """A short name for the detector, unique for its weights and arguments."""
    text = json.dumps([VERSION, detector.sha256, detector.arguments], sort_keys=True)
    return f"{detector.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
