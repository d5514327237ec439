"""Where a fold's training is, and what it has come to at its end."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from maskgate import labels
from maskgate.model.losses.marginals import CLASSES
from maskgate.pipeline.target import counts
from maskgate.training.callbacks import Row
from maskgate.training.fold_data import Rows
from maskgate.training.step import Update
from maskgate.training.validation import Ages, Probabilities


@dataclass(frozen=True)
class Fitted:
    """A trained fold.

    `probabilities` (V, 18) are those of the validation photos in the selected epoch,
    `plain_probabilities` the same without test-time augmentation, `last_probabilities` those of the
    last epoch, also without it; all from before any training on the validation photos. `ages` (V,)
    are the mean ages in years of the selected epoch, None if its head predicts none. `history`
    has one row per epoch. `mixed` counts the batches by mixer. `drawn` (18,) counts the photos of
    each class in all `epochs` before training on validation photos; `photos` counts all photos
    drawn in all epochs.
    """

    weights: dict[str, Tensor]
    probabilities: Probabilities
    plain_probabilities: Probabilities
    last_probabilities: Probabilities
    ages: Ages | None
    history: list[Row]
    seconds: float
    mixed: dict[str, int]
    drawn: list[int]
    photos: int
    epochs: int


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


@dataclass
class State:
    """The position of a fold's training, as saved in a checkpoint."""

    epoch: int = 0
    update: int = 0  # of this epoch: the sampler's position
    updates: int = 0  # of all epochs
    # Of this epoch's photos in this process, float64, on the device once there is an update.
    loss_sum: Tensor = field(default_factory=_zero)
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    best: dict[str, Any] | None = None  # epoch, score and weights
    stopped: bool = False
    mixed: dict[str, int] = field(default_factory=dict)  # batches by mixer
    drawn: list[int] = field(default_factory=lambda: [0] * labels.COUNT)  # photos of each class
    photos: int = 0  # all that were drawn, also with unknown labels
    # Epochs trained on the validation photos, and the three probabilities (V, 18) from before: of
    # the selected epoch, without test-time augmentation, of the last epoch.
    unvalidated: int = 0
    validated: list[Tensor] | None = None
    ages: Tensor | None = None  # (V,) of the selected epoch, as `validated`

    def add_update(self, update: Update) -> None:
        """Count an update."""
        self.loss_sum = self.loss_sum + update.loss_sum
        self.mixed[update.mixing] = self.mixed.get(update.mixing, 0) + 1
        self.update += 1
        self.updates += 1

    def add_drawn(self, batches: list[Rows], table: pd.DataFrame) -> None:
        """Count the rows of `table` in an epoch's batches."""
        rows = np.concatenate(batches)
        self.photos += len(rows)
        if self.validated is None:
            drawn = counts(table.iloc[rows])[CLASSES].tolist()
            self.drawn = [before + now for before, now in zip(self.drawn, drawn, strict=True)]

    def end_epoch(self, row: Row) -> None:
        """Start the next epoch, and add `row` to the history."""
        self.history.append(row)
        self.epoch, self.update, self.loss_sum = self.epoch + 1, 0, _zero()

    def fitted(self, weights: dict[str, Tensor]) -> Fitted:
        """The trained fold. Its validation photos must have been predicted."""
        assert self.validated is not None
        selected, plain, last = (each.numpy() for each in self.validated)
        return Fitted(
            weights=weights,
            probabilities=selected,
            plain_probabilities=plain,
            last_probabilities=last,
            ages=None if self.ages is None else self.ages.numpy(),
            history=self.history,
            seconds=self.seconds,
            mixed=self.mixed,
            drawn=self.drawn,
            photos=self.photos,
            epochs=self.epoch - self.unvalidated,
        )
