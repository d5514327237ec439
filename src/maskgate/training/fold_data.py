"""The training and validation photos of one fold, as rows of the training table."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.data.column_values import (
    AGE,
    BARRED,
    DROPPED,
    PRIMARY,
    TRAINED,
    UNLABELLED,
    VALIDATED,
)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FoldData:
    """The data of fold number `fold`.

    `train` (T,) and `validation` (V,) are rows of `table`, the training table (N rows). Its column
    `left_out` also has what only this fold leaves out (VALIDATED, BARRED). The validation photos
    are scored against `truth` (V rows). `afterwards` are the rows of `validation` that may be
    trained on after scoring.
    """

    fold: int
    table: pd.DataFrame
    train: Rows
    validation: Rows
    truth: pd.DataFrame
    afterwards: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def contents_of_people(self) -> set[str]:
        """Digests of all photos of the validation people and of people who share a photo with them,
        from all sources."""
        cluster = self.table["cluster"]
        shared = cluster.isin(cluster.iloc[self.validation])
        return set(self.table.loc[shared, "digest"])


def of_fold(fold: int, table: pd.DataFrame, truth: pd.DataFrame) -> FoldData:
    """The data of a fold of the training `table`; `truth` has a row for each primary photo.

    Photos from other sources are not trained on if they show a validation person, or a person who
    shares a photo with one.
    """
    validated = (table["fold"] == fold).to_numpy()
    cluster = table["cluster"]
    shared = (cluster.isin(cluster[validated]) & (table["source"] != PRIMARY)).to_numpy()
    left_out = table["left_out"].to_numpy()
    is_excluded = np.isin(left_out, (AGE, DROPPED))
    # The first reason that applies.
    left_out = np.select(
        [is_excluded, validated, shared], [left_out, VALIDATED, BARRED], default=left_out
    )
    return _by_columns(fold, _leaving_out(table, left_out), truth[truth["fold"] == fold])


def with_pseudo_labels(data: FoldData, pseudo: pd.DataFrame) -> FoldData:
    """The data with pseudo labels. `pseudo`, from `pseudo_labels.choose`, has a row for each
    unlabelled photo in the table's order; photos that it does not use stay left out."""
    is_unlabelled = (data.table["source"] == UNLABELLED).to_numpy()
    use = pseudo["use"].to_numpy()
    left_out = data.table["left_out"].to_numpy(copy=True)
    left_out[is_unlabelled] = np.where(use == TRAINED, "", use)
    table = _leaving_out(data.table, left_out)
    for name in (*labels.ATTRIBUTES, "label"):
        codes = table[name].to_numpy(copy=True)
        codes[is_unlabelled] = np.where(use == TRAINED, pseudo[name].to_numpy(), labels.UNKNOWN)
        table[name] = codes
    return _by_columns(data.fold, table, data.truth)


def _leaving_out(table: pd.DataFrame, left_out: "npt.NDArray[np.object_]") -> pd.DataFrame:
    return table.assign(left_out=pd.Series(left_out, index=table.index, dtype="str"))


def _by_columns(fold: int, table: pd.DataFrame, truth: pd.DataFrame) -> FoldData:
    """A fold's data by the columns `fold` and `left_out`; `truth` has the V validation rows."""
    return FoldData(
        fold=fold,
        table=table,
        train=np.flatnonzero(table["left_out"] == ""),
        validation=np.flatnonzero(table["fold"] == fold),
        truth=truth,
        afterwards=np.flatnonzero(table["left_out"] == VALIDATED),
    )
