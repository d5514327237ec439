"""Groups of people that are left out in turn when a combination is fitted."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.core.seeding import derive
from maskgate.data import folds
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError

_COUNT: Final = 5  # where a run has a single fold


def of_people(truth: pd.DataFrame) -> npt.NDArray[np.int64]:
    """A group of people (N,) for each photo of a table with `fold` and `cluster`.

    Its folds; where it has only one, a new split of the people, clusters kept together. Raises
    MaskgateError where all people are in one cluster.
    """
    if truth["fold"].nunique() > 1:
        return truth["fold"].to_numpy(np.int64)
    cluster, people = pd.factorize(truth["cluster"])
    if len(people) < 2:
        raise MaskgateError(
            "learning a combination needs several people, and the runs validated only one;"
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
