"""Non-maximum suppression: removes boxes that overlap a box with a higher score."""

import numpy as np
import numpy.typing as npt

from maskgate.faces.protocol import Floats


def suppress(
    boxes: Floats, scores: Floats, overlap: float, of_smaller: bool = False
) -> npt.NDArray[np.int64]:
    """The indices of the boxes (N, 4) that are kept, highest score first.

    A box is removed if its intersection with a kept box of higher score is more than `overlap` of
    their union, or with `of_smaller`, of the smaller of the two.
    """
    by_score = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[by_score].T
    areas = (right - left) * (bottom - top)
    remaining = np.arange(len(by_score))
    kept = []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(best)
        width = np.minimum(right[best], right[remaining]) - np.maximum(left[best], left[remaining])
        height = np.minimum(bottom[best], bottom[remaining]) - np.maximum(top[best], top[remaining])
        intersections = np.maximum(width, 0) * np.maximum(height, 0)
        if of_smaller:
            limits = np.minimum(areas[best], areas[remaining])
        else:
            limits = areas[best] + areas[remaining] - intersections
        remaining = remaining[intersections <= overlap * limits]
    return by_score[kept] if kept else by_score
