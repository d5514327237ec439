"""Swapped photos in the layout of seven photos per person: what is stored as `incorrect_mask` shows
a bare face, and `normal` a mask worn incorrectly."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

import numpy as np
import pandas as pd

from maskgate.data.label_words import MASK_WORDS
from maskgate.label_errors import estimate, pooling
from maskgate.label_errors.checks import FEW, Check
from maskgate.label_errors.evidence import Evidence, Floats
from maskgate.label_errors.pooling import Rows

INCORRECT: Final = "incorrect_mask"
BARE: Final = "normal"
_INCORRECT_CODE: Final = MASK_WORDS[INCORRECT]
_BARE_CODE: Final = MASK_WORDS[BARE]
AS_NAMED, SWAPPED = 0, 1


def pairs_of(table: pd.DataFrame) -> Rows:
    """The rows (P, 2) of each person's `incorrect_mask` and `normal`, for people who have one of
    each, in different mask states."""
    stems = table["photo"].map(lambda name: PurePath(name).stem.lower())
    mask, row_of = table["mask"].to_numpy(), dict[tuple[str, str], int]()
    for row, key in enumerate(zip(table["person"], stems, strict=True)):
        row_of.setdefault(key, row)
    states = {_INCORRECT_CODE, _BARE_CODE}
    rows = [
        (row, row_of[person, BARE])
        for (person, stem), row in row_of.items()
        if stem == INCORRECT
        and (person, BARE) in row_of
        and {mask[row], mask[row_of[person, BARE]]} == states
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def swapped(table: pd.DataFrame, sources: Sequence[Evidence]) -> Check | None:
    """The check whether the two photos are swapped, of all people who have both. None where too few
    have. Its values are AS_NAMED, which is every label, and SWAPPED."""
    rows = pairs_of(table)
    sources = [source for source in sources if "mask" in source.probabilities]
    units = table.iloc[rows[:, 0]][["person", "cluster"]].reset_index(drop=True)
    if not sources or units["cluster"].nunique() < FEW:
        return None
    features = np.column_stack([_against_label(table, source, rows) for source in sources])
    fold = estimate.folds_of(units["cluster"].to_numpy())
    result = estimate.estimate(features, -features[None], fold, what="swapped photos")
    group = np.full(len(table), -1)
    group[rows] = np.arange(len(rows))[:, None]
    mean = features.sum(1) / np.sqrt(2) / len(sources)
    probability = 1 / (1 + np.exp(-mean))
    units = units.assign(
        photo="", label=AS_NAMED, predicted=(probability > 0.5).astype(np.int64), age=np.nan,
        predicted_age=np.nan,
    )  # fmt: skip
    values = np.column_stack([1 - probability, probability])
    return Check(
        "mask",
        units,
        group,
        probabilities=values,
        estimate=result,
        conflicts=[[] for _ in range(len(units))],
    )


def _against_label(table: pd.DataFrame, source: Evidence, rows: Rows) -> Floats:
    """For both photos of U people, the log-odds (U, 2) of the other's label against its own; 0
    where the source says nothing."""
    logs = pooling.log_probabilities(source, "mask")
    label = table["mask"].to_numpy(np.int64)[rows]
    odds = [
        logs[rows[:, place], label[:, 1 - place]] - logs[rows[:, place], label[:, place]]
        for place in (0, 1)
    ]
    return np.nan_to_num(np.column_stack(odds))
