"""A fold's training batches per epoch; they do not depend on the number of processes or workers."""

from collections.abc import Iterator
from dataclasses import dataclass

from accelerate import Accelerator

from maskgate.config.recipe import Recipe
from maskgate.pipeline import sampling
from maskgate.pipeline.loader import Batch, Loader
from maskgate.training.fold_data import FoldData, Rows


@dataclass(frozen=True)
class Task:
    """The training and validation data of a fold; `loader` makes batches of its table's rows."""

    data: FoldData
    loader: Loader
    updates: int | None = None  # at most so many per epoch


class Batches:
    """The batches of a task, and this process's share of each."""

    def __init__(self, recipe: Recipe, task: Task, accelerator: Accelerator) -> None:
        self._recipe, self._task, self._accelerator = recipe, task, accelerator
        self._size = min(recipe.training.batch_size, len(task.data.train))

    def of_epoch(self, rows: Rows, epoch: int) -> list[Rows]:
        """The rows of each batch of an epoch (from 0), drawn from these `rows` of the table."""
        order = sampling.epoch_order(
            self._recipe.sampling, rows, self._task.data.table, *self._place(epoch)
        )
        return sampling.batches(order, self._size)[: self._task.updates]

    def load(self, batches: list[Rows], epoch: int, start: int = 0) -> Iterator[Batch]:
        """This process's share of each of an epoch's batches, from number `start` on."""
        return self._task.loader.training(
            batches,
            start=start,
            rank=self._accelerator.process_index,
            ranks=self._accelerator.num_processes,
            place=(*self._place(epoch), "augment"),
        )

    def _place(self, epoch: int) -> tuple[int, int, int]:
        return self._recipe.seed, self._task.data.fold, epoch
