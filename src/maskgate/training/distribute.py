"""The folds of one run, or of several, as tasks on a Ray cluster."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from maskgate import cluster
from maskgate.config.recipe import Recipe
from maskgate.core.progress import say
from maskgate.errors import MaskgateError
from maskgate.runs import Run
from maskgate.training import crossval, processes, warm_start
from maskgate.training.crossval import Training
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare


@dataclass(frozen=True)
class FoldTask:
    """One fold of a run, as a node is told of it; `digest` is the run's."""

    number: int
    recipe: Recipe
    options: TrainOptions
    run: Run
    digest: str


def train(wanted: Sequence[tuple[Recipe, TrainOptions]], on: str) -> list[Run]:
    """Train the folds of all these recipes at once; the same runs as `crossval.train` leaves.

    This process locks and describes the runs before, and concludes each after its last fold.
    Raises MaskgateError.
    """
    check_single_process()
    with processes.started("fp32") as accelerator, ExitStack() as locks:
        trainings = [
            crossval.begin(crossval.resolved(recipe, options), options, accelerator)
            for recipe, options in wanted
        ]
        unfinished = [each for each in trainings if not crossval.is_finished(each, accelerator)]
        for training in unfinished:
            locks.enter_context(crossval.locked(training, accelerator))
        left = {each.run: _left(each) for each in unfinished}
        parts = [
            FoldTask(
                number=number,
                recipe=each.recipe,
                options=each.options,
                run=each.run,
                digest=each.digest,
            )
            for each in unfinished
            for number in left[each.run]
        ]
        ended = _trained(parts, on)
        for training in unfinished:
            while left[training.run]:
                part = next(ended)
                left[part.run].remove(part.number)
            crossval.conclude(training)
        return [training.run for training in trainings]


def folder_not_shared(folder: Path, what: str) -> MaskgateError:
    """The fault of a node that does not have the folder of a run, or of several."""
    return MaskgateError(f"{folder}: this node does not see {what}; put it on storage of all nodes")


def data_differ(data: Path) -> MaskgateError:
    """The fault of a node that has other data."""
    return MaskgateError(
        f"{data}: this node sees other photos or labels there than the command does; put the data"
        " on storage of all nodes"
    )


def check_single_process() -> None:
    """Raise MaskgateError in a process that `torchrun` started."""
    if "RANK" in os.environ:
        raise MaskgateError(
            "--on gives each fold to one process, torchrun one fold to several; use one of the two"
        )


def _left(training: Training) -> list[int]:
    folds = training.prepared.folds
    return [number for number in folds if not crossval.is_trained(training.run, number)]


def _trained(parts: Sequence[FoldTask], on: str) -> Iterator[FoldTask]:
    """The parts as they have been trained."""
    for done, (number, _) in enumerate(cluster.map_unordered(_train, parts, on, _name), 1):
        part = parts[number]
        say(f"{part.run.path}: fold {part.number} is trained ({done} of {len(parts)})")
        yield part


def _name(part: FoldTask) -> str:
    return f"{part.options.name} fold {part.number}"


def _train(part: FoldTask) -> None:
    """Train a fold on the node that this runs on."""
    if not part.run.status_file.exists():
        raise folder_not_shared(part.run.path, "the run's folder")
    with processes.started(part.recipe.training.precision) as accelerator:
        prepared = prepare(part.recipe, part.options)
        digest = part.recipe.digest(prepared.digest, *warm_start.weight_digests(part.recipe))
        if digest != part.digest:
            raise data_differ(part.options.data)
        training = Training(
            run=part.run, recipe=part.recipe, options=part.options, prepared=prepared, digest=digest
        )
        crossval.train_fold(part.number, training, accelerator)
