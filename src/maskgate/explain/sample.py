"""Which validated photos are explained."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.seeding import derive

WRONG: Final = 60  # wrongly predicted photos of each attribute

Rows = npt.NDArray[np.int64]


def people(table: pd.DataFrame, photos: int, seed: int) -> Rows:
    """Positions in a photo table of at most so many `photos`: of people drawn at random, one photo
    with each state of the mask."""
    random = np.random.default_rng(derive(seed, "sample"))
    shuffled = table.iloc[random.permutation(len(table))]
    first = shuffled.drop_duplicates(["person", "mask"])
    rank, _ = pd.factorize(first["person"])
    order = np.argsort(rank, kind="stable")
    positions = pd.Series(np.arange(len(table)), index=table.index)
    return np.sort(positions.loc[first.index[order[:photos]]].to_numpy())


def wrong(
    table: pd.DataFrame, probabilities: npt.NDArray[np.floating], attribute: str, seed: int
) -> Rows:
    """Positions of photos whose attribute is wrongly predicted by probabilities (N, 18): at most
    WRONG, drawn at random, and one of each person."""
    truth = table[attribute].to_numpy()
    predicted = labels.marginals(probabilities)[attribute].argmax(1)
    rows = np.flatnonzero((truth != labels.UNKNOWN) & (predicted != truth))
    rows = np.random.default_rng(derive(seed, "wrong", attribute)).permutation(rows)
    is_first = ~table["person"].iloc[rows].duplicated().to_numpy()
    return np.sort(rows[is_first][:WRONG])
