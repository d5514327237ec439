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
from maskgate.ensemble.votes import Floats, MemberProbabilities

Codes = npt.NDArray[np.int64]

# Weights of the squared offsets; the strongest gives no offsets. On a tie the stronger is taken.
_PENALTIES: Final = (np.inf, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0)


def learn(
    probabilities: Floats, members: Sequence[MemberProbabilities], truth: pd.DataFrame
) -> dict[str, Any]:
    """`offsets` (18,) to add to the log-probabilities, and the `penalty` they were fitted with.

    Macro F1 weights every class equally, however rare, while a model's probabilities follow how
    often a class occurs. The offsets maximise a smooth macro F1, in which a photo counts for each
    class by its probability, less the penalty times their squares. The penalty is chosen by
    cross-validation over people, and may mean no offsets at all: on few people the best offsets
    are luck.
    """
    known = truth["label"].to_numpy() != labels.UNKNOWN
    table = truth[known].reset_index(drop=True)
    codes = table["label"].to_numpy(np.int64)
    logs = log_probabilities(probabilities[known])
    penalty = _penalty(logs, codes, groups.of_people(table)) if len(codes) else np.inf
    offsets = _fit(logs, codes, penalty)
    return {"offsets": offsets.tolist(), "penalty": None if np.isinf(penalty) else penalty}


def _penalty(logs: Floats, codes: Codes, group: Codes) -> float:
    """The penalty whose offsets score best on people held out from the fit."""
    scores = []
    for penalty in _PENALTIES:
        predicted = np.empty(len(codes), np.int64)
        for number in np.unique(group):
            held_out = group == number
            offsets = _fit(logs[~held_out], codes[~held_out], penalty)
            predicted[held_out] = (logs[held_out] + offsets).argmax(1)
        scores.append(confusions.macro_f1(confusions.confusion(codes, predicted, labels.COUNT)))
    return float(_PENALTIES[int(np.argmax(scores))])


def _fit(logs: Floats, codes: Codes, penalty: float) -> Floats:
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
        # The gradient of F1 by the shares, and of these by the offsets.
        by_share = (2 * true - score) / total / labels.COUNT
        inner = (by_share * shares).sum(1, keepdims=True)
        slope = (shares * (by_share - inner)).sum(0)
        return penalty * (offsets**2).sum() - score.mean(), 2 * penalty * offsets - slope

    offsets: Floats = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return offsets
