"""What every face detector does: photo → faces."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

VERSION: Final = 1  # raised by whatever changes what a detector finds: faces are remembered by it
Floats = npt.NDArray[np.float32]
BOX: Final = ("left", "top", "right", "bottom")
LANDMARKS: Final = ("eye at the left", "eye at the right", "nose", "mouth left", "mouth right")


@dataclass(frozen=True)
class Faces:
    """What a detector finds in one photo: F faces, the surest first.

    `boxes` (F, 4) are left, top, right and bottom, `landmarks` (F, 5, 2) the x and y of LANDMARKS
    (left and right as seen in the photo), all in the photo's pixels and perhaps beyond its
    edges; `scores` (F,) lie in 0–1.
    """

    boxes: Floats
    landmarks: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)


NONE: Final = Faces(np.zeros((0, 4), "f4"), np.zeros((0, 5, 2), "f4"), np.zeros(0, "f4"))


class Detector(Protocol):
    """Finds faces.

    `sha256` is of its model's file or weights, `arguments` are all that it was made with, `files`
    are its model's by the names that a run keeps them under.
    """

    name: str
    sha256: str
    arguments: dict[str, Any]
    files: dict[str, Path]

    def __call__(self, photo: Pixels) -> Faces:
        """The faces in a photo (H, W, 3), RGB; may be called from several threads."""
        ...


def key(detector: Detector) -> str:
    """A short name for what it finds: other weights or arguments have another."""
    told = json.dumps([VERSION, detector.sha256, detector.arguments], sort_keys=True)
    return f"{detector.name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
