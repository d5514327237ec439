"""Of faces that were found several times, the surest: non-maximum suppression."""

import numpy as np
import numpy.typing as npt

from maskgate.faces.protocol import Floats


def surest(
    boxes: Floats, scores: Floats, overlap: float, of_smaller: bool = False
) -> npt.NDArray[np.int64]:
    """Which of the boxes (N, 4) stay, the surest first.

    One goes that shares with a surer one that stays more than `overlap` of their union, or with
    `of_smaller` of the smaller of the two.
    """
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].T
    areas = (right - left) * (bottom - top)
    waiting = np.arange(len(order))
    stay = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        stay.append(best)
        width = np.minimum(right[best], right[waiting]) - np.maximum(left[best], left[waiting])
        height = np.minimum(bottom[best], bottom[waiting]) - np.maximum(top[best], top[waiting])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        if of_smaller:
            limits = np.minimum(areas[best], areas[waiting])
        else:
            limits = areas[best] + areas[waiting] - shared
        waiting = waiting[shared <= overlap * limits]
    return order[stay] if stay else order
