"""Mean absolute errors of predicted ages in years, in all and by decade of age."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.evaluation.bootstrap import Resamples
from maskgate.evaluation.metrics import FEW, RESAMPLES, interval
from maskgate.runs.records.results import Figure


def evaluate(predicted: npt.NDArray[np.floating], table: pd.DataFrame) -> dict[str, Any]:
    """The errors of predicted ages (N,) against the `age` of a photo table, ready for JSON:
    `photos` and `people` whose age is known, their `mean_absolute_error` with its interval, and
    the same for each of the `decades`, which begin at the age `first`.

    Fewer than FEW people have only counts: too few for an interval.
    """
    age = table["age"].to_numpy(dtype=np.float64)
    error = np.abs(predicted - age)
    weights = Resamples(table, RESAMPLES, seed=0)
    decade = 10 * (age // 10)
    firsts = np.unique(decade[np.isfinite(decade)])
    return _errors(error, table, weights) | {
        "decades": [
            {"first": int(first)}
            | _errors(np.where(decade == first, error, np.nan), table, weights)
            for first in firsts
        ]
    }


def _errors(
    error: npt.NDArray[np.float64], table: pd.DataFrame, weights: Resamples
) -> dict[str, Any]:
    known = np.isfinite(error)
    people = int(table.loc[known, "person"].nunique())
    counts = {"photos": int(known.sum()), "people": people}
    if people < FEW:
        return counts
    score = interval(error[known].mean(), weights.means(error))
    return counts | {"mean_absolute_error": Figure.from_score(score)}
