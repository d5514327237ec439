"""Targets: the known labels of a batch's photos."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from maskgate import labels
from maskgate.data.table import AGE_GROUP

SoftLabels = npt.NDArray[np.float32]


class Target(NamedTuple):
    """The known labels of N photos.

    `classes` (N, 18) is true for every class that agrees with the known labels (one for a fully
    labelled photo, all for a photo without labels), or has probabilities, as float. `ages` (N, 2)
    are the first and the last year of the person's age group, both the age if it is known, NaN if
    neither is. `soft_labels` (N, 18) are a teacher's probabilities, NaN for a photo that has none;
    (N, 0) without a teacher.
    """

    classes: Tensor
    ages: Tensor
    soft_labels: Tensor

    @property
    def age(self) -> Tensor:
        """The ages (N,) in years, NaN if unknown."""
        first, last = self.ages.unbind(1)
        return torch.where(first == last, first, torch.nan)

    def take(self, rows: Tensor | slice | int) -> "Target":
        """The target of the photos that `rows` index."""
        return Target(*(tensor[rows] for tensor in self))


def of_table(table: pd.DataFrame, soft_labels: SoftLabels | None = None) -> Target:
    """The target of every row of a photo table, with the `soft_labels` of a teacher."""
    codes = (table[name].to_numpy() for name in labels.ATTRIBUTES)
    age = table["age"]
    ends = [age.fillna(table[end]) if end in table else age for end in AGE_GROUP]
    ages = np.stack([end.to_numpy(dtype=np.float32) for end in ends], axis=1)
    if soft_labels is None:
        soft_labels = np.empty((len(table), 0), dtype=np.float32)
    return Target(
        torch.from_numpy(labels.agrees(*codes)),
        torch.from_numpy(ages),
        torch.from_numpy(soft_labels),
    )


def one_of_each() -> dict[str, npt.NDArray[np.int64]]:
    """`counts` of a data set with one photo of every class: for checks without data."""
    sizes = dict(zip(labels.ATTRIBUTES, labels.SIZES, strict=True)) | {"classes": labels.COUNT}
    return {name: np.ones(size, dtype=np.int64) for name, size in sizes.items()}


def counts(table: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    """How many photos each class has, by `classes` (18,) and by each attribute's name (K,).

    Photos whose label is unknown are not counted.
    """
    sizes = dict(zip(labels.ATTRIBUTES, labels.SIZES, strict=True))
    columns = {"classes": ("label", labels.COUNT)} | {n: (n, size) for n, size in sizes.items()}
    photos_of_class = {}
    for name, (column, size) in columns.items():
        codes = table[column].to_numpy()
        photos_of_class[name] = np.bincount(codes[codes != labels.UNKNOWN], minlength=size)
    return photos_of_class
