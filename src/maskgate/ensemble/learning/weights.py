"""Weights of the members, learned separately for mask, gender and age band."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.ensemble.votes import Floats, MemberProbabilities, marginals

Learned = dict[str, list[float]]

_ROUNDS: Final = 1000
_TOLERANCE: Final = 1e-7  # it stops when no weight moves by more
_LEAST: Final = 1e-9


def learn(members: Sequence[MemberProbabilities], truth: pd.DataFrame) -> Learned:
    """By attribute the weights of the members that predict it, which add up to 1.

    They maximise the likelihood of the known labels of the photo table `truth` (N) under the
    mixture of the members, by expectation maximisation. The likelihood is concave in them, so there
    is one maximum. A member that adds nothing ends near 0.
    """
    learned = {}
    for name in labels.ATTRIBUTES:
        parts, codes = marginals(members, name), truth[name].to_numpy(np.int64)
        known = np.flatnonzero(codes != labels.UNKNOWN)
        right = parts[:, known, codes[known]].clip(_LEAST)  # (members, photos)
        learned[name] = _mixture(right).tolist()
    return learned


def _mixture(right: Floats) -> Floats:
    """Weights (M,) of M members, from the probabilities `right` (M, N) of the true values."""
    weights = np.full(len(right), 1 / len(right))
    for _ in range(_ROUNDS if right.size else 0):
        shares = weights[:, None] * right
        moved = (shares / shares.sum(0)).mean(1)
        still = bool(np.abs(moved - weights).max() < _TOLERANCE)
        weights = moved
        if still:
            break
    return weights
