"""Where a fold's training is, and what it has come to at its end."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from maskgate import labels
from maskgate.model.losses.marginals import CLASSES
from maskgate.pipeline.target import counts
from maskgate.training.callbacks import Row
from maskgate.training.fold_data import Rows
from maskgate.training.step import Update
from maskgate.training.validation import Probabilities


@dataclass(frozen=True)
class Fitted:
    """A fold at its end: weights, validation probabilities (V, 18) of the epoch selected, the same
    without test-time augmentation and those of the last epoch, also without it, a history row an
    epoch, and the seconds all of it took.

    The probabilities are those from before any training on the validation photos. `mixed` counts
    the batches by the way they were mixed, `drawn` (18,) the photos of each class in all epochs
    (`epochs`) but those on the validation photos, `photos` those of all epochs, whatever their
    label.
    """

    weights: dict[str, Tensor]
    probabilities: Probabilities
    plain_probabilities: Probabilities
    last_probabilities: Probabilities
    history: list[Row]
    seconds: float
    mixed: dict[str, int]
    drawn: list[int]
    photos: int
    epochs: int


@dataclass
class State:
    """Where a fold's training is: the position of a checkpoint."""

    epoch: int = 0
    update: int = 0  # of this epoch: the sampler's position
    updates: int = 0  # of all epochs
    loss_sum: float = 0.0  # of this epoch's photos in this process
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    best: dict[str, Any] | None = None  # epoch, score and weights
    stopped: bool = False
    mixed: dict[str, int] = field(default_factory=dict)  # batches by the way they were mixed
    drawn: list[int] = field(default_factory=lambda: [0] * labels.COUNT)  # photos of each class
    photos: int = 0  # drawn in all, those with unknown labels too
    # Once the validation photos are trained on: for how many epochs, and the probabilities (V, 18)
    # from before: selected, without test-time augmentation, of the last epoch.
    unvalidated: int = 0
    validated: list[Tensor] | None = None

    def add_update(self, update: Update) -> None:
        """Go on by an update."""
        self.loss_sum += update.loss_sum
        self.mixed[update.mixing] = self.mixed.get(update.mixing, 0) + 1
        self.update += 1
        self.updates += 1

    def add_drawn(self, batches: list[Rows], table: pd.DataFrame) -> None:
        """Count the rows of `table` that an epoch's batches have drawn."""
        rows = np.concatenate(batches)
        self.photos += len(rows)
        if self.validated is None:
            drawn = counts(table.iloc[rows])[CLASSES].tolist()
            self.drawn = [before + now for before, now in zip(self.drawn, drawn, strict=True)]

    def end_epoch(self, row: Row) -> None:
        """Go on to the next epoch; `row` is the history's."""
        self.history.append(row)
        self.epoch, self.update, self.loss_sum = self.epoch + 1, 0, 0.0

    def fitted(self, weights: dict[str, Tensor]) -> Fitted:
        """The fold at its end. Only once its validation photos have been predicted."""
        assert self.validated is not None
        selected, plain, last = (each.numpy() for each in self.validated)
        return Fitted(
            weights=weights,
            probabilities=selected,
            plain_probabilities=plain,
            last_probabilities=last,
            history=self.history,
            seconds=self.seconds,
            mixed=self.mixed,
            drawn=self.drawn,
            photos=self.photos,
            epochs=self.epoch - self.unvalidated,
        )
