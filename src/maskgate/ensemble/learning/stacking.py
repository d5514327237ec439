"""The small model on top of the members, fitted to what is true."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.ensemble import stacking
from maskgate.ensemble.votes import Voice

_NEVER: Final = -20.0  # logit of a value that no photo learned from has


def learn(voices: Sequence[Voice], truth: pd.DataFrame) -> dict[str, Any]:
    """By attribute `weights` (features, values) and `bias` (values,) of a logistic regression.

    Its features are the log-probabilities that the members who know the attribute give its values;
    it is fitted, with scikit-learn's own L2 penalty, to the known labels of the photo table `truth`
    (N): Wolpert 1992.
    """
    from sklearn.linear_model import LogisticRegression

    learned = {}
    for name, values in labels.ATTRIBUTES.items():
        codes = truth[name].to_numpy(np.int64)
        known = codes != labels.UNKNOWN
        features = stacking.features(voices, name)
        weights = np.zeros((features.shape[1], len(values)))
        bias = np.full(len(values), _NEVER)
        there = np.unique(codes[known])
        bias[there] = 0.0
        if len(there) > 1:
            model = LogisticRegression(max_iter=1000).fit(features[known], codes[known])
            rows, ends = model.coef_, model.intercept_
            if len(there) == 2:  # scikit-learn tells the second value's alone
                rows, ends = np.vstack([-rows, rows]) / 2, np.hstack([-ends, ends]) / 2
            weights[:, there], bias[there] = rows.T, ends
        learned[name] = {"weights": weights.tolist(), "bias": bias.tolist()}
    return learned
