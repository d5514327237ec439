"""Labels that a model's probabilities are sure of, for photos that have none (Lee 2013).

Every attribute is judged by itself: what is under its threshold stays unknown, and the photo is
trained on with what is left.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.config.recipe import Pseudo
from maskgate.core import finite
from maskgate.data.column_values import BARRED, CAPPED, TRAINED, UNSURE


def choose(
    probabilities: npt.NDArray[np.floating],
    names: Sequence[str],
    barred: npt.NDArray[np.bool_],
    wanted: Pseudo,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> pd.DataFrame:
    """What photos `names` (N,) are labelled as by probabilities (N, 18), and which are used.

    A row a photo: `photo`; the codes `mask`, `gender` and `age_band` of what is at least as
    probable as its threshold, and of no attribute but the `attributes` of the model, else UNKNOWN;
    their `label`; the probability that all of these are right, `sure`; and its `use`. A photo of
    which nothing is known is of no use. Photos of equal codes, UNKNOWN being one of them, are a
    class, of which the `wanted.cap` surest are used, in case of doubt the first by name. Those
    `barred` (N,) are not used, and count nowhere. Raises MaskgateError where a probability is not
    finite.
    """
    finite.check(probabilities, "pseudo labels")
    parts = labels.marginals(probabilities.astype(np.float64))
    codes = {}
    for name, part in parts.items():
        least = getattr(wanted.thresholds, name) if name in attributes else np.inf
        codes[name] = np.where(part.max(1) >= least, part.argmax(1), labels.UNKNOWN).astype(np.int8)
    agreeing = labels.agrees(*(codes[name] for name in labels.ATTRIBUTES))
    table = pd.DataFrame({"photo": pd.Series(list(names), dtype="str"), **codes})
    table["label"] = labels.encode(*(codes[name] for name in labels.ATTRIBUTES))
    table["sure"] = (probabilities.astype(np.float64) * agreeing).sum(1).clip(max=1)
    unknown = (table[list(labels.ATTRIBUTES)] == labels.UNKNOWN).all(axis=1).to_numpy()
    use = np.where(barred, BARRED, np.where(unknown, UNSURE, TRAINED))
    use[_over(table[use == TRAINED], wanted.cap)] = CAPPED
    return table.assign(use=pd.Series(use, dtype="str"))


def _over(table: pd.DataFrame, cap: int | None) -> npt.NDArray[np.int64]:
    """The index of the rows that are more than `cap` of their class."""
    if cap is None:
        return np.empty(0, dtype=np.int64)
    surest = table.sort_values(["sure", "photo"], ascending=[False, True], kind="stable")
    place = surest.groupby(list(labels.ATTRIBUTES)).cumcount()
    return surest.index[place >= cap].to_numpy(dtype=np.int64)
