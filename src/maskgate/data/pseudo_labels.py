"""Pseudo labels (Lee 2013): labels for unlabelled photos, from a model's probabilities.

Each attribute has its own threshold. Attributes below it stay unknown, and the photo is trained on
with the others.
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
    settings: Pseudo,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> pd.DataFrame:
    """The pseudo labels of photos `names` (N,) from probabilities (N, 18), and which are used.

    One row per photo: `photo`; the codes `mask`, `gender` and `age_band`, UNKNOWN if the
    probability is below the threshold or the attribute is not among the model's `attributes`; their
    `label`; `sure`, the probability that all known codes are right; and its `use`. Photos without a
    known code are not used. Photos with the same codes, UNKNOWN included, form a class; of each
    class the `settings.cap` most probable are used, ties by name. Photos `barred` (N,) are not
    used and not counted. Raises MaskgateError if a probability is not finite.
    """
    finite.check(probabilities, "pseudo labels")
    parts = labels.marginals(probabilities.astype(np.float64))
    codes = {}
    for name, part in parts.items():
        threshold = getattr(settings.thresholds, name) if name in attributes else np.inf
        codes[name] = np.where(part.max(1) >= threshold, part.argmax(1), labels.UNKNOWN).astype(
            np.int8
        )
    agreeing = labels.agrees(*(codes[name] for name in labels.ATTRIBUTES))
    table = pd.DataFrame({"photo": pd.Series(list(names), dtype="str"), **codes})
    table["label"] = labels.encode(*(codes[name] for name in labels.ATTRIBUTES))
    table["sure"] = (probabilities.astype(np.float64) * agreeing).sum(1).clip(max=1)
    unknown = (table[list(labels.ATTRIBUTES)] == labels.UNKNOWN).all(axis=1).to_numpy()
    use = np.where(barred, BARRED, np.where(unknown, UNSURE, TRAINED))
    use[_over_cap(table[use == TRAINED], settings.cap)] = CAPPED
    return table.assign(use=pd.Series(use, dtype="str"))


def _over_cap(table: pd.DataFrame, cap: int | None) -> npt.NDArray[np.int64]:
    """The index of the rows beyond the first `cap` of their class."""
    if cap is None:
        return np.empty(0, dtype=np.int64)
    by_probability = table.sort_values(["sure", "photo"], ascending=[False, True], kind="stable")
    rank = by_probability.groupby(list(labels.ATTRIBUTES)).cumcount()
    return by_probability.index[rank >= cap].to_numpy(dtype=np.int64)
