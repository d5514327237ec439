"""What a tracker is, and what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers see it.

    `id` is the same whenever the run's training is resumed, and differs if it is trained anew.
    `settings` are those of its recipe or system, and `text` is that file. Its `folds` are numbered
    below that, and have at most `epochs` each; none for a system.
    """

    id: str
    name: str
    folder: Path
    settings: dict[str, Any]
    text: str
    folds: int
    epochs: int
    tags: dict[str, str]


@dataclass(frozen=True)
class EpochMetrics:
    """The `values` of one epoch, counted from 1, of a fold, counted from 0; see `names`."""

    fold: int
    epoch: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers under their `columns`."""

    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: numbers of photos, a row for each true class of `classes`, a column for
    each prediction; and a picture of it (H, W, 3)."""

    classes: list[str]
    counts: list[list[float]]
    picture: npt.NDArray[np.uint8]

    @property
    def table(self) -> Table:
        """The matrix with the true classes as its first column."""
        rows = [[name, *row] for name, row in zip(self.classes, self.counts, strict=True)]
        return Table(["true", *self.classes], rows)


@dataclass(frozen=True)
class Outcome:
    """What a training leaves: `scores` by name, confusion matrices by name, the photos that were
    predicted wrongly, worst first, and `files` to keep, by name."""

    scores: Mapping[str, float]
    confusions: Mapping[str, Confusion]
    mistakes: Table | None
    files: Mapping[str, Path]


class Tracker(Protocol):
    """Keeps runs. Any of its methods may raise any exception, or take long.

    After an exception, `start` is called again, and then the call that failed.
    """

    def start(self, run: TrackedRun) -> None:
        """Create the tracked run of that `id`, or take it up with all that it has already."""

    def log_epoch(self, metrics: EpochMetrics) -> None:
        """Keep the metrics of an epoch, unless it has them already."""

    def log_outcome(self, outcome: Outcome) -> None:
        """Keep the outcome of the training, instead of one that it has already."""

    def close(self, finished: bool) -> None:
        """End the tracked run for now: its training is `finished`, or has failed."""
