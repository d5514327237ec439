"""Callbacks of a fold's training: to show progress, to track it, to stop it early."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # of the history


@dataclass(frozen=True)
class Epoch:
    """An epoch that starts: its `name` for messages, the number of `updates`, and how many of them
    are `done` already when training resumes from a checkpoint. It is the one of that `number`, from
    0, of the fold's `epochs`."""

    fold: int
    name: str
    updates: int
    done: int
    number: int = 0
    epochs: int = 1


def _do_nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """Functions that every process calls during training; an exception in one ends it."""

    on_epoch_start: Callable[[Epoch], None] = _do_nothing
    on_update_end: Callable[[int], None] = _do_nothing  # gets the updates of all epochs so far
    on_epoch_end: Callable[[Row], None] = _do_nothing  # after the checkpoint is written
    on_fit_end: Callable[[], None] = _do_nothing  # also after an error
