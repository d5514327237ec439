"""Trains a run: from a recipe and a data set to all folds, their scores and the report."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd
from accelerate import Accelerator
from filelock import FileLock
from safetensors.torch import save as serialised

from maskgate.config.recipe import Recipe
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError
from maskgate.faces import view
from maskgate.runs import RunFolder, tables
from maskgate.runs.records import fold as fold_results
from maskgate.runs.records.fold import FoldResult
from maskgate.tracking import session
from maskgate.tracking.session import Tracking
from maskgate.training import (
    preflight,
    processes,
    pseudo,
    run_folder,
    scoring,
    smoke,
    soft_labels,
    warm_start,
)
from maskgate.training.callbacks import Callbacks
from maskgate.training.epoch_progress import RunProgress
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions
from maskgate.training.state import Fitted
from maskgate.training.training_data import TrainingData, prepare

PATIENCE: Final = 60.0  # seconds to wait for another process that trains the same


@dataclass(frozen=True)
class Training:
    """A run in training."""

    run: RunFolder
    recipe: Recipe
    options: TrainOptions
    prepared: TrainingData
    digest: str


def train(recipe: Recipe, options: TrainOptions, patience: float = 0) -> RunFolder:
    """Train every fold of a recipe on a data set; returns the finished run.

    An unfinished run is resumed, a finished one is left as it is. If another process is training
    the run, wait `patience` seconds for it to end. Raises MaskgateError.
    """
    recipe = resolved(recipe, options)
    with processes.started(recipe.training.precision) as accelerator:
        training = begin(recipe, options, accelerator)
        if is_finished(training, accelerator):
            if accelerator.is_main_process:
                session.send(training.run, recipe.tracking)
            return training.run
        try:
            with (
                locked(training, accelerator, patience),
                tracked(training, accelerator) as tracking,
            ):
                progress = RunProgress(training.prepared.folds)
                for number in training.prepared.folds:
                    train_fold(number, training, accelerator, progress=progress, tracking=tracking)
                if accelerator.is_main_process:
                    scoring.conclude(training.run, training.recipe, training.prepared, tracking)
                accelerator.wait_for_everyone()
        except MaskgateError:
            if accelerator.is_main_process:
                run_folder.remove_untrained(training.run)
            raise
        return training.run


def begin(recipe: Recipe, options: TrainOptions, accelerator: Accelerator) -> Training:
    """The training of a `resolved` recipe, after everything that it needs has been checked."""
    preflight.check_recipe(recipe, options.name, options.trust)
    recipe = preflight.with_detector(recipe, options, options.name)
    prepared = prepare(recipe, options)
    warnings = [*warm_start.missing_thumbnails(recipe), *soft_labels.warnings(recipe, prepared)]
    if not options.smoke:
        warnings += preflight.few_updates(recipe, prepared)
    prepared = replace(prepared, warnings=[*prepared.warnings, *warnings])
    preflight.check_data(recipe, prepared, accelerator.num_processes)
    digest = recipe.digest(prepared.digest, *warm_start.weight_digests(recipe))
    run = RunFolder(processes.on_main(accelerator, lambda: run_folder.place(options, digest)))
    return Training(run=run, recipe=recipe, options=options, prepared=prepared, digest=digest)


def is_finished(training: Training, accelerator: Accelerator) -> bool:
    """Whether the run is finished; if so, tell the user."""
    run = training.run
    finished = processes.on_main(accelerator, lambda: run_folder.is_finished(run))
    if finished and accelerator.is_main_process:
        say(f"{run.path}: this run is finished; to train it again, remove the folder")
    return finished


@contextmanager
def locked(training: Training, accelerator: Accelerator, patience: float = 0) -> Iterator[None]:
    """Lock the run's folder and write the run's description into it.

    If another process has the lock, wait `patience` seconds. Raises MaskgateError, also if the
    folder has another recipe, whatever its run.json says.
    """
    run = training.run
    lock = FileLock(run.path / ".lock", timeout=patience)
    processes.on_main(accelerator, lambda: run_folder.acquire(lock, run))
    try:
        processes.on_main(accelerator, lambda: run_folder.check_recipe(run, training.recipe))
        if accelerator.is_main_process:
            run_folder.describe(
                run,
                training.options,
                training.prepared,
                digest=training.digest,
                table=training.prepared.measured(training.recipe.photo.geometry),
            )
            training.recipe.write(run.recipe_file)
            view.keep(training.recipe.photo, training.options.folder, run.detector_folder)
            warm_start.keep_thumbnails(training.recipe, training.prepared.store, run)
        accelerator.wait_for_everyone()
        yield
    finally:
        lock.release()


def tracked(training: Training, accelerator: Accelerator) -> Tracking:
    """Tracks the training, whose run's folder is locked, in the main process."""
    trackers = training.recipe.tracking if accelerator.is_main_process else ()
    return Tracking(training.run, trackers)


def resolved(recipe: Recipe, options: TrainOptions) -> Recipe:
    """The recipe to train: with the best epochs of another run, and for a smoke test its own, once
    the recipe itself has been checked. Raises MaskgateError."""
    recipe = warm_start.with_best_epochs(recipe)
    if not options.smoke:
        return recipe
    smoke.check(recipe, options)
    small = smoke.recipe_of(recipe)
    if os.environ.get("RANK", "0") == "0":  # of the processes that `torchrun` started
        smoke.announce(recipe, small)
    return small


# -------------------------------------------------------------------------------- a fold


def is_trained(run: RunFolder, number: int) -> bool:
    """Whether a fold's training is finished."""
    return run.fold_file(number).exists()


def train_fold(
    number: int,
    training: Training,
    accelerator: Accelerator,
    patience: float = PATIENCE,
    progress: RunProgress | None = None,
    tracking: Tracking | None = None,
) -> None:
    """Train a fold to its end, from its checkpoint if there is one.

    Without `progress`, that of this fold alone is shown; without `tracking`, no tracker sees it. If
    another process is still training it, such as one that a cluster has given up, wait `patience`
    seconds for it to end. Raises MaskgateError if it does not.
    """
    run = training.run
    run.fold_folder(number).mkdir(exist_ok=True)
    lock = FileLock(run.fold_folder(number) / ".lock", timeout=patience)
    processes.on_main(accelerator, lambda: run_folder.acquire(lock, run))
    try:
        checkpoint = run.fold_folder(number) / "checkpoint.pt"
        if not processes.on_main(accelerator, lambda: is_trained(run, number)):
            run_progress = progress or RunProgress([number])
            _fit_fold(
                number,
                training,
                checkpoint,
                accelerator,
                run_progress=run_progress,
                tracking=tracking,
            )
        if accelerator.is_main_process:
            if tracking is not None:
                tracking.log_fold(number)
            checkpoint.unlink(missing_ok=True)
        accelerator.wait_for_everyone()
    finally:
        lock.release()


def _fit_fold(
    number: int,
    training: Training,
    checkpoint: Path,
    accelerator: Accelerator,
    run_progress: RunProgress,
    tracking: Tracking | None,
) -> None:
    run, recipe, options = training.run, training.recipe, training.options
    if tracking is not None:
        callbacks = Callbacks(on_epoch_end=tracking.log_epoch)
        options = replace(options, callbacks=(*options.callbacks, callbacks))
    prepared = training.prepared
    data = prepared.fold_data(number)
    processes.on_main(
        accelerator, lambda: pseudo.label(recipe, prepared, data, options=options, run=run)
    )
    labelled = pseudo.with_labels(data, run)
    trainer = preflight.create_trainer(
        recipe,
        prepared,
        labelled,
        options=options,
        checkpoint=checkpoint,
        accelerator=processes.new_accelerator(recipe.training.precision),
        run_progress=run_progress,
    )
    if tracking is not None:
        tracking.log_epochs(trainer.state.history)  # what a killed training did not send
    fitted = trainer.run()
    if not accelerator.is_main_process:
        return
    if inherited := warm_start.inherited_contents(recipe, prepared, data):
        files.replace_text(run.inherited_file(number), "\n".join(sorted(inherited)))
    _save_fold(run, recipe, data, fitted)


def _save_fold(run: RunFolder, recipe: Recipe, data: FoldData, fitted: Fitted) -> None:
    number = data.fold
    folder, weights = run.fold_folder(number), run.weights_file(number)
    # Not `save_file`: it does not report a full disk, and lets only the owner read the file.
    files.replace(weights, lambda part: part.write_bytes(serialised(fitted.weights)))
    rows = data.truth[["photo", "person", "label", "fold"]]
    predicted = rows if fitted.ages is None else rows.assign(predicted_age=fitted.ages)
    tables.write_probabilities(folder / "oof.parquet", predicted, fitted.probabilities)
    if recipe.tta:
        tables.write_probabilities(folder / "oof-plain.parquet", rows, fitted.plain_probabilities)
    if recipe.training.select == "best":
        tables.write_probabilities(folder / "oof-last.parquet", rows, fitted.last_probabilities)
    history = pd.DataFrame(fitted.history)
    files.replace(folder / "history.csv", lambda part: history.to_csv(part, index=False))
    result = FoldResult(
        seconds=fitted.seconds,
        photos=fitted.photos,
        epochs=fitted.epochs,
        mixed=fitted.mixed,
        drawn=fitted.drawn,
    )
    fold_results.write(run.fold_file(number), result)
