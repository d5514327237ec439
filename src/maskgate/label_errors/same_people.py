"""Near-duplicate people: two ids whose photos look alike, so that their labels should agree."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.label_errors.evidence import Floats
from maskgate.label_errors.pooling import Rows

FAR: Final = 10.0  # years between the ages of one person under two ids
# Pairs seen before: one in twenty disagrees.
_DISAGREEING, _PAIRS = 1.0, 20.0


def partners(pairs: Sequence[Sequence[str]], people: Sequence[str]) -> Rows:
    """The `pairs` of ids as pairs (P, 2) of places among `people`; others are left out."""
    place_of = {name: place for place, name in enumerate(people)}
    places = [[place_of[one], place_of[other]] for one, other in pairs
              if one in place_of and other in place_of]  # fmt: skip
    return np.array(places, dtype=np.int64).reshape(-1, 2)


def ratios(pairs: Rows, differs: npt.NDArray[np.bool_], count: int) -> tuple[Floats, Floats]:
    """Log-likelihood ratios (U,) of a wrong to a right label by the labels of the same person
    elsewhere, as they are and if the label is changed.

    `pairs` (P, 2) are places among U labels, and `differs` (P,) whether their labels do. Labels
    that agree say nothing, as both may have been copied. If pairs often differ, they are hardly of
    one person, and say little.
    """
    share = (differs.sum() + _DISAGREEING) / (len(pairs) + _PAIRS)
    weight = max(0.0, float(np.log((1 - share) / share)))
    number, differing = np.zeros(count), np.zeros(count)
    for side in pairs.T:
        np.add.at(number, side, 1)
        np.add.at(differing, side, differs)
    known = number > 0
    share_differing = differing / np.maximum(number, 1)
    return weight * share_differing, weight * np.where(known, 1 - share_differing, 0.0)
