"""What is called as a fold trains: to show progress, to track it, to end it early."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # of the history


@dataclass(frozen=True)
class Epoch:
    """An epoch at its start: `name` is for people; `done` of its `updates` are behind it where the
    training goes on from a checkpoint."""

    fold: int
    name: str
    updates: int
    done: int


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """Functions that every process of a training calls; what one raises ends the training."""

    on_epoch_start: Callable[[Epoch], None] = _nothing
    on_update_end: Callable[[int], None] = _nothing  # with the updates of all epochs so far
    on_epoch_end: Callable[[Row], None] = _nothing  # once the checkpoint is written
    on_fit_end: Callable[[], None] = _nothing  # however the training ends
