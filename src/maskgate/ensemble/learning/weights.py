"""How much each member's word counts, learned for mask, gender and age band each."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.ensemble.votes import Floats, Voice, marginals

Learned = dict[str, list[float]]

_ROUNDS: Final = 1000
_STILL: Final = 1e-7  # a weight that moves by less stands still
_LEAST: Final = 1e-9


def learn(voices: Sequence[Voice], truth: pd.DataFrame) -> Learned:
    """By attribute the weights of the members who know it, which add up to 1.

    They are those under which the mixture makes the known labels of the photo table `truth` (N)
    likeliest, found by expectation maximisation: the likelihood is concave in them, so it has no
    second best. A member that adds nothing ends near 0.
    """
    learned = {}
    for name in labels.ATTRIBUTES:
        told, codes = marginals(voices, name), truth[name].to_numpy(np.int64)
        known = np.flatnonzero(codes != labels.UNKNOWN)
        right = told[:, known, codes[known]].clip(_LEAST)  # (members, photos)
        learned[name] = _mixture(right).tolist()
    return learned


def _mixture(right: Floats) -> Floats:
    """Weights (M,) of M members that gave the truth of photos the probabilities `right` (M, N)."""
    weights = np.full(len(right), 1 / len(right))
    for _ in range(_ROUNDS if right.size else 0):
        shares = weights[:, None] * right
        moved = (shares / shares.sum(0)).mean(1)
        still = bool(np.abs(moved - weights).max() < _STILL)
        weights = moved
        if still:
            break
    return weights
