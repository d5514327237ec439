"""The offsets of the classes' log-probabilities that make macro F1 largest."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from maskgate import labels
from maskgate.core import confusions
from maskgate.ensemble.learning import groups
from maskgate.ensemble.offsets import log_probabilities
from maskgate.ensemble.softmax import softmax
from maskgate.ensemble.votes import Floats, Voice

Codes = npt.NDArray[np.int64]

# Of the squared offsets; the strongest leaves none. Of two that score alike the stronger is taken.
_PENALTIES: Final = (np.inf, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0)


def learn(probabilities: Floats, voices: Sequence[Voice], truth: pd.DataFrame) -> dict[str, Any]:
    """`offsets` (18,) to add to the log-probabilities, and the `penalty` they were found with.

    A class counts for macro F1 as much as any other, however rare, while a model's probabilities
    are of photos. The offsets are those that make a smooth macro F1 largest, in which a photo
    counts for each class by its probability, less the penalty times their squares. How strong a
    penalty is tried on people left out in turn, "no offsets at all" among them: on few people
    the best offsets are luck.
    """
    known = truth["label"].to_numpy() != labels.UNKNOWN
    table = truth[known].reset_index(drop=True)
    codes = table["label"].to_numpy(np.int64)
    logs = log_probabilities(probabilities[known])
    penalty = _penalty(logs, codes, groups.of_people(table)) if len(codes) else np.inf
    offsets = _found(logs, codes, penalty)
    told = None if np.isinf(penalty) else penalty
    return {"offsets": offsets.tolist(), "penalty": told}


def _penalty(logs: Floats, codes: Codes, group: Codes) -> float:
    """The penalty whose offsets score best on the groups of people that they were not found on."""
    scores = []
    for penalty in _PENALTIES:
        answer = np.empty(len(codes), np.int64)
        for left_out in np.unique(group):
            out = group == left_out
            offsets = _found(logs[~out], codes[~out], penalty)
            answer[out] = (logs[out] + offsets).argmax(1)
        scores.append(confusions.macro_f1(confusions.confusion(codes, answer, labels.COUNT)))
    return float(_PENALTIES[int(np.argmax(scores))])


def _found(logs: Floats, codes: Codes, penalty: float) -> Floats:
    """The best offsets (18,) for log-probabilities (N, 18) of photos with these labels (N,)."""
    start = np.zeros(labels.COUNT)
    if np.isinf(penalty):
        return start
    true = np.eye(labels.COUNT)[codes]
    count = true.sum(0)

    def loss(offsets: Floats) -> tuple[float, Floats]:
        shares = softmax(logs + offsets)
        hits, total = (shares * true).sum(0), shares.sum(0) + count
        score = 2 * hits / total
        # Of each F1 by the shares, and of those by the offsets.
        by_share = (2 * true - score) / total / labels.COUNT
        inner = (by_share * shares).sum(1, keepdims=True)
        slope = (shares * (by_share - inner)).sum(0)
        return penalty * (offsets**2).sum() - score.mean(), 2 * penalty * offsets - slope

    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found
