"""The age in years that a person's photos look like."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from maskgate.label_errors.evidence import Floats

_ROUNDS: Final = 3
_OUTLIER: Final = 2.5  # robust standard deviations
_PENALTY: Final = 10.0
_NORMAL: Final = 1.4826  # standard deviations of a normal distribution in a median deviation


def predict(evidence: Floats, age: Floats, fold: npt.NDArray[np.integer]) -> Floats:
    """Ages (U,) by a ridge regression of the `age` labels (U,), NaN where unknown, on `evidence`
    (U, F). A person's is predicted by a regression fitted on other folds (U,).

    Labels that are far from the prediction are left out of the next fit, as they may be wrong.
    """
    used = np.isfinite(age)
    youngest, oldest = age[used].min(), age[used].max()
    predicted = np.full(len(age), age[used].mean())
    for _ in range(_ROUNDS):
        for number in np.unique(fold):
            fitted, held_out = used & (fold != number), fold == number
            if fitted.any():
                model = make_pipeline(StandardScaler(), Ridge(_PENALTY))
                predicted[held_out] = model.fit(evidence[fitted], age[fitted]).predict(
                    evidence[held_out]
                )
        predicted = predicted.clip(youngest, oldest)
        error = np.abs(predicted - age)
        used = error <= _OUTLIER * _NORMAL * np.nanmedian(error)
    return predicted
