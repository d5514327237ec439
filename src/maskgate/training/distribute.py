"""Trains the folds of one or several runs as tasks on a Ray cluster."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from maskgate import cluster
from maskgate.cluster import Cluster
from maskgate.config.recipe import Recipe
from maskgate.core.progress import log
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder
from maskgate.tracking import session
from maskgate.training import crossval, processes, scoring, warm_start
from maskgate.training.crossval import Training
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare


@dataclass(frozen=True)
class FoldTask:
    """One fold of a run, as sent to a node; `digest` is the run's."""

    number: int
    recipe: Recipe
    options: TrainOptions
    run: RunFolder
    digest: str


def train(jobs: Sequence[tuple[Recipe, TrainOptions]], on: Cluster) -> list[RunFolder]:
    """Train the folds of several recipes in parallel, with the same results as `crossval.train`.

    This process locks and describes the runs first, and concludes each run after its last fold.
    Raises MaskgateError.
    """
    check_single_process()
    with processes.started("fp32") as accelerator, ExitStack() as locks:
        trainings = [
            crossval.begin(crossval.resolved(recipe, options), options, accelerator)
            for recipe, options in jobs
        ]
        unfinished = []
        for training in trainings:
            if crossval.is_finished(training, accelerator):
                session.send(training.run, training.recipe.tracking)
            else:
                unfinished.append(training)
        for training in unfinished:
            locks.enter_context(crossval.locked(training, accelerator))
        remaining = {each.run: _untrained_folds(each) for each in unfinished}
        tasks = [
            FoldTask(
                number=number,
                recipe=each.recipe,
                options=each.options,
                run=each.run,
                digest=each.digest,
            )
            for each in unfinished
            for number in remaining[each.run]
        ]
        trained = _trained(tasks, on)
        for training in unfinished:
            while remaining[training.run]:
                task = next(trained)
                remaining[task.run].remove(task.number)
            with crossval.tracked(training, accelerator) as tracking:
                for number in training.prepared.folds:
                    tracking.log_fold(number)
                scoring.conclude(training.run, training.recipe, training.prepared, tracking)
        return [training.run for training in trainings]


def folder_not_shared(folder: Path, contents: str) -> MaskgateError:
    """The error of a node that cannot access a folder with these `contents`."""
    return MaskgateError(
        f"{folder}: this node does not see {contents}; put it on storage that all nodes share"
    )


def data_differ(data: Path) -> MaskgateError:
    """The error of a node whose data differ from the command's."""
    return MaskgateError(
        f"{data}: this node sees other photos or labels there than the command does; put the data"
        " on storage that all nodes share"
    )


def check_single_process() -> None:
    """Raise MaskgateError in a process that `torchrun` started."""
    if "RANK" in os.environ:
        raise MaskgateError(
            "--on gives each fold to one process, torchrun one fold to several; use one of the two"
        )


def _untrained_folds(training: Training) -> list[int]:
    folds = training.prepared.folds
    return [number for number in folds if not crossval.is_trained(training.run, number)]


def _trained(tasks: Sequence[FoldTask], on: Cluster) -> Iterator[FoldTask]:
    """The tasks, each as soon as its fold is trained."""
    for done, (number, _) in enumerate(cluster.map_unordered(_train, tasks, on, _name), 1):
        task = tasks[number]
        log(f"{task.run.path}: fold {task.number} is trained ({done} of {len(tasks)})")
        yield task


def _name(task: FoldTask) -> str:
    return f"{task.options.name} fold {task.number}"


def _train(task: FoldTask) -> None:
    """Train a fold on this node."""
    if not task.run.status_file.exists():
        raise folder_not_shared(task.run.path, "the run's folder")
    with processes.started(task.recipe.training.precision) as accelerator:
        prepared = prepare(task.recipe, task.options)
        digest = task.recipe.digest(prepared.digest, *warm_start.weight_digests(task.recipe))
        if digest != task.digest:
            raise data_differ(task.options.data)
        training = Training(
            run=task.run, recipe=task.recipe, options=task.options, prepared=prepared, digest=digest
        )
        crossval.train_fold(task.number, training, accelerator)
