"""The logistic regression of stacking, fitted to the labels."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.ensemble import stacking
from maskgate.ensemble.votes import MemberProbabilities

_NEVER: Final = -20.0  # logit of a value that no photo of the fit has


def learn(members: Sequence[MemberProbabilities], truth: pd.DataFrame) -> dict[str, Any]:
    """By attribute `weights` (features, values) and `bias` (values,) of a logistic regression.

    Its features are the log-probabilities of the attribute's values by the members that predict
    it. It is fitted, with scikit-learn's default L2 penalty, to the known labels of the photo
    table `truth` (N): Wolpert 1992.
    """
    from sklearn.linear_model import LogisticRegression

    learned = {}
    for name, values in labels.ATTRIBUTES.items():
        codes = truth[name].to_numpy(np.int64)
        known = codes != labels.UNKNOWN
        features = stacking.features(members, name)
        weights = np.zeros((features.shape[1], len(values)))
        bias = np.full(len(values), _NEVER)
        present = np.unique(codes[known])
        bias[present] = 0.0
        if len(present) > 1:
            model = LogisticRegression(max_iter=1000).fit(features[known], codes[known])
            slopes, intercepts = model.coef_, model.intercept_
            if len(present) == 2:  # scikit-learn gives those of the second value alone
                slopes = np.vstack([-slopes, slopes]) / 2
                intercepts = np.hstack([-intercepts, intercepts]) / 2
            weights[:, present], bias[present] = slopes.T, intercepts
        learned[name] = {"weights": weights.tolist(), "bias": bias.tolist()}
    return learned
