"""Changed photos: the face covered, or the face of one person in the photo of another.

If a network looks at faces, its score drops where they are covered. If it looks at what is around
them, its score drops where that comes from the photo of a person with other labels.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from maskgate import labels
from maskgate.core.seeding import derive
from maskgate.explain.regions import Boxes
from maskgate.imaging.pixels import Pixels


def cover(pictures: Pixels, boxes: Boxes) -> Pixels:
    """Pictures (N, H, W, 3) whose boxes (N, 4) are filled with the mean colour of the rest."""
    changed = pictures.copy()
    for picture, original, box in zip(changed, pictures, boxes, strict=True):
        left, top, right, bottom = _edges(box)
        rest = np.ones(original.shape[:2], dtype=np.bool_)
        rest[top:bottom, left:right] = False
        picture[top:bottom, left:right] = original[rest if rest.any() else ~rest].mean(0)
    return changed


def move(pictures: Pixels, boxes: Boxes, donors: Pixels, donor_boxes: Boxes) -> Pixels:
    """The `donors` (N, H, W, 3), in whose boxes (N, 4) are what the `pictures` show in theirs,
    resized."""
    changed = donors.copy()
    for picture, target, box, donor_box in zip(pictures, changed, boxes, donor_boxes, strict=True):
        left, top, right, bottom = _edges(donor_box)
        size = right - left, bottom - top
        part = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, box=_edges(box))
        target[top:bottom, left:right] = np.asarray(part)
    return changed


def donors(table: pd.DataFrame, seed: int) -> npt.NDArray[np.int64]:
    """For each photo of a photo table (N rows) the position of one of another person, with as many
    other labels as possible, drawn at random; -1 where there is no other person."""
    random = np.random.default_rng(derive(seed, "donors"))
    codes = table[list(labels.ATTRIBUTES)].to_numpy()
    person, _ = pd.factorize(table["person"])
    chosen = np.full(len(table), -1, dtype=np.int64)
    for row in range(len(table)):
        others = np.flatnonzero(person != person[row])
        if len(others):
            others = random.permutation(others)
            differs = (codes[others] != codes[row]) & (codes[others] != labels.UNKNOWN)
            chosen[row] = others[differs.sum(1).argmax()]
    return chosen


def _edges(box: npt.NDArray[np.floating]) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least one wide and high."""
    left, top, right, bottom = (round(float(edge)) for edge in box)
    return left, top, max(right, left + 1), max(bottom, top + 1)
