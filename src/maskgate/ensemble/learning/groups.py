"""Groups of people that are left out in turn of what is learned of out-of-fold probabilities."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.core.seeding import derive
from maskgate.data import folds
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError

_COUNT: Final = 5  # where a run has no folds to take


def of_people(truth: pd.DataFrame) -> npt.NDArray[np.int64]:
    """A group of people (N,) for each photo of a table with `fold` and `cluster`.

    Its folds, or where it has one alone people dealt anew, those of a cluster together. Raises
    MaskgateError where all are one cluster.
    """
    if truth["fold"].nunique() > 1:
        return truth["fold"].to_numpy(np.int64)
    cluster, people = pd.factorize(truth["cluster"])
    if len(people) < 2:
        raise MaskgateError(
            "what is learned out of fold needs several people, and the runs validated one alone;"
            " train them with more folds, or use soft_vote"
        )
    count = min(_COUNT, len(people))
    seed = derive("groups") % 2**32
    return folds.split(
        Photos(Path(), truth),
        cluster.astype(np.int64),
        "kfold",
        count=count,
        fraction=0.0,
        seed=seed,
    )
