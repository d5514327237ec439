"""From a recipe and a folder of people to a run: table → folds → fits → scores → report."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from accelerate import Accelerator
from filelock import FileLock
from safetensors.torch import save as serialised

from maskgate.config.recipe import Recipe
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.faces import view
from maskgate.imaging.tta import PLAIN_VIEW, tta_digest
from maskgate.model import backbone, heads, network
from maskgate.model.losses.marginals import CLASSES
from maskgate.pipeline.target import counts
from maskgate.reports import run as run_report
from maskgate.runs import Run, tables
from maskgate.runs.records import fold as fold_results
from maskgate.runs.records import stored
from maskgate.runs.records.fold import FoldResult
from maskgate.runs.records.results import Results
from maskgate.training import preflight, processes, pseudo, run_folder, warm_start
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions
from maskgate.training.state import Fitted
from maskgate.training.training_data import TrainingData, prepare

_PATIENCE: Final = 60.0  # seconds for a process that trains the same to end


@dataclass(frozen=True)
class Training:
    """A run between its beginning and its end."""

    run: Run
    recipe: Recipe
    options: TrainOptions
    prepared: TrainingData
    digest: str


def train(recipe: Recipe, options: TrainOptions, again: bool = False) -> Run:
    """Train every fold of a recipe on a data set; returns the finished run.

    An unfinished folder is resumed, a finished one left as it is. A process that is training the
    run is waited for if this one may be begun `again` in its place. Raises MaskgateError.
    """
    recipe = resolved(recipe, options)
    with processes.started(recipe.training.precision) as accelerator:
        training = begin(recipe, options, accelerator)
        if is_finished(training, accelerator):
            return training.run
        try:
            with locked(training, accelerator, _PATIENCE if again else 0):
                for number in training.prepared.folds:
                    train_fold(number, training, accelerator)
                if accelerator.is_main_process:
                    conclude(training)
                accelerator.wait_for_everyone()
        except MaskgateError:
            if accelerator.is_main_process:
                run_folder.remove_untrained(training.run)
            raise
        return training.run


def begin(recipe: Recipe, options: TrainOptions, accelerator: Accelerator) -> Training:
    """The training of a recipe as it is `resolved`, after all it needs has been tried."""
    preflight.check_recipe(recipe, options.name, options.trust)
    recipe = preflight.with_detector(recipe, options, options.name)
    prepared = prepare(recipe, options)
    prepared = replace(
        prepared, warnings=[*prepared.warnings, *warm_start.missing_thumbnails(recipe)]
    )
    preflight.check_data(recipe, prepared, accelerator.num_processes)
    digest = recipe.digest(prepared.digest, *warm_start.weight_digests(recipe))
    run = Run(processes.on_main(accelerator, lambda: run_folder.place(options, digest)))
    return Training(run=run, recipe=recipe, options=options, prepared=prepared, digest=digest)


def is_finished(training: Training, accelerator: Accelerator) -> bool:
    """Whether nothing is left to train, which the user is told."""
    run = training.run
    finished = processes.on_main(accelerator, lambda: run_folder.is_finished(run))
    if finished and accelerator.is_main_process:
        say(f"{run.path}: this run is finished; to train it anew, remove the folder")
    return finished


@contextmanager
def locked(training: Training, accelerator: Accelerator, patience: float = 0) -> Iterator[None]:
    """The run's folder locked, and what is known before the first fold written into it.

    Another process that has it is waited for, `patience` seconds. Raises MaskgateError; so too
    where the folder holds another recipe than this one, whatever its run.json says.
    """
    run = training.run
    lock = FileLock(run.path / ".lock", timeout=patience)
    processes.on_main(accelerator, lambda: run_folder.acquire(lock, run))
    try:
        processes.on_main(accelerator, lambda: run_folder.check_recipe(run, training.recipe))
        if accelerator.is_main_process:
            run_folder.describe(run, training.options, training.prepared, training.digest)
            training.recipe.write(run.recipe_file)
            view.keep(training.recipe.photo, training.options.folder, run.detector_folder)
            warm_start.keep_thumbnails(training.recipe, training.prepared.store, run)
        accelerator.wait_for_everyone()
        yield
    finally:
        lock.release()


def resolved(recipe: Recipe, options: TrainOptions) -> Recipe:
    """The recipe as it is trained: smoked, or with the epochs that another run found."""
    return smoked(recipe) if options.smoke else warm_start.with_best_epochs(recipe)


def smoked(recipe: Recipe) -> Recipe:
    """The recipe with every step it has, once: two folds, one update, the smallest photos.

    Nothing is downloaded.
    """
    changed = recipe.model_dump()
    changed["model"]["pretrained"] = False
    height, width = backbone.smallest_size(Recipe.model_validate(changed).model)
    if height * width < recipe.photo.height * recipe.photo.width:
        changed["photo"] |= {"height": height, "width": width}
    changed["folds"] |= {"count": 2}
    changed["training"] |= {
        "epochs": 1,
        "epochs_from": None,
        "batch_size": min(16, recipe.training.batch_size),
        "validation_epochs": min(1, recipe.training.validation_epochs),
        "precision": "fp32",
    }
    changed["schedule"]["warmup_epochs"] = 0.0
    return Recipe.model_validate(changed)


# -------------------------------------------------------------------------------- a fold


def is_trained(run: Run, number: int) -> bool:
    """Whether a fold has been trained to its end."""
    return run.fold_file(number).exists()


def train_fold(number: int, training: Training, accelerator: Accelerator) -> None:
    """Train a fold to its end, from its checkpoint where there is one.

    A process that trained it before and is about to end, such as one that a cluster has given up,
    is waited for. Raises MaskgateError where it does not end.
    """
    run = training.run
    run.fold(number).mkdir(exist_ok=True)
    lock = FileLock(run.fold(number) / ".lock", timeout=_PATIENCE)
    processes.on_main(accelerator, lambda: run_folder.acquire(lock, run))
    try:
        checkpoint = run.fold(number) / "checkpoint.pt"
        if not processes.on_main(accelerator, lambda: is_trained(run, number)):
            _train(number, training, checkpoint, accelerator)
        if accelerator.is_main_process:
            checkpoint.unlink(missing_ok=True)
        accelerator.wait_for_everyone()
    finally:
        lock.release()


def _train(number: int, training: Training, checkpoint: Path, accelerator: Accelerator) -> None:
    run, recipe, options = training.run, training.recipe, training.options
    prepared = training.prepared
    data = prepared.fold_data(number)
    processes.on_main(
        accelerator, lambda: pseudo.label(recipe, prepared, data, options=options, run=run)
    )
    labelled = pseudo.with_labels(data, run)
    fit = preflight.create_trainer(
        recipe, prepared, labelled, options=options, checkpoint=checkpoint, accelerator=accelerator
    )
    fitted = fit.run()
    if not accelerator.is_main_process:
        return
    if seen := warm_start.inherited_contents(recipe, prepared, data):
        files.replace_text(run.inherited_file(number), "\n".join(sorted(seen)))
    _save_fold(run, recipe, data, fitted)


def _save_fold(run: Run, recipe: Recipe, data: FoldData, fitted: Fitted) -> None:
    number = data.fold
    place, weights = run.fold(number), run.weights_file(number)
    # Not `save_file`: it hides a full disk, and lets nobody but the owner read the file.
    files.replace(weights, lambda beside: beside.write_bytes(serialised(fitted.weights)))
    rows = data.truth[["photo", "person", "label", "fold"]]
    tables.write_probabilities(place / "oof.parquet", rows, fitted.probabilities)
    if recipe.tta:
        tables.write_probabilities(place / "oof-plain.parquet", rows, fitted.plain_probabilities)
    if recipe.training.select == "best":
        tables.write_probabilities(place / "oof-last.parquet", rows, fitted.last_probabilities)
    history = pd.DataFrame(fitted.history)
    files.replace(place / "history.csv", lambda beside: history.to_csv(beside, index=False))
    result = FoldResult(
        seconds=fitted.seconds,
        photos=fitted.photos,
        epochs=fitted.epochs,
        mixed=fitted.mixed,
        drawn=fitted.drawn,
    )
    fold_results.write(run.fold_file(number), result)


# --------------------------------------------------------------------------- the results


def conclude(training: Training) -> None:
    """Pool the folds, score them and write the report: the run is finished."""
    run, recipe, prepared = training.run, training.recipe, training.prepared
    told = [run.fold_result(number) for number in run.folds]
    history = pd.concat([tables.fold_history(run, number) for number in run.folds])
    files.replace(run.history_file, lambda beside: history.to_csv(beside, index=False))
    results: dict[str, Any] = {"validated": prepared.validates}
    if recipe.training.validation_epochs:
        results["unvalidated_epochs"] = recipe.training.validation_epochs
    if results["validated"]:
        table, probabilities = _pooled(run, "oof.parquet")
        tables.write_probabilities(run.oof_file, table, probabilities)
        truth = prepared.photos.table.set_index("photo").loc[table["photo"]].reset_index()
        attributes = heads.attributes(recipe.model.head)
        results |= metrics.evaluate(probabilities, truth, attributes=attributes) | {
            "knows": attributes
        }
        if "faces" in truth:
            has_face = truth["faces"].to_numpy() > 0
            results["faces"] = metrics.by_face(probabilities, truth, has_face, attributes)
        if recipe.tta:
            _, plain = _pooled(run, "oof-plain.parquet")
            place = run.oof_file_of(tta_digest([PLAIN_VIEW]))
            tables.write_probabilities(place, table, plain)
            results["without_tta"] = metrics.paired_comparison(
                probabilities, plain, truth, attributes
            )
        results["selection"] = recipe.training.select
        if recipe.training.select == "best":
            _, last = _pooled(run, "oof-last.parquet")
            last_epoch = metrics.evaluate(last, truth, attributes=attributes)
            results["last_epoch"] = last_epoch["score"]
    stored.write(run.metrics_file, Results, results)
    seconds = sum(part.seconds for part in told)
    reduced = sorted(set(history["accumulate"]) - {recipe.training.accumulate})
    warnings = prepared.warnings + [
        f"out of memory: batches ran in {parts} parts instead of {recipe.training.accumulate}"
        for parts in reduced
    ]
    warnings += pseudo.warnings(recipe, run, prepared.folds)
    run.tell(
        seconds=round(seconds, 1),
        photos_per_second=round(sum(part.photos for part in told) / max(seconds, 1e-9), 1),
        warnings=warnings,
        did=_did(run, told, recipe, prepared),
    )
    run_report.write(run)
    run.end()


def _did(
    run: Run, told: list[FoldResult], recipe: Recipe, prepared: TrainingData
) -> dict[str, Any]:
    """What the training did of what the recipe asks for: see the report's section of that name.

    Photos of each class (18,) there are to train on, and drawn in an epoch, are means of the folds.
    """
    folds = [pseudo.with_labels(prepared.fold_data(number), run) for number in prepared.folds]
    there = [counts(data.table.iloc[data.train])[CLASSES] for data in folds]
    drawn = [np.array(part.drawn) / part.epochs for part in told]
    mixed = [part.mixed for part in told]
    model = network.create(recipe, with_weights=False)
    labelled = {"pseudo": pseudo.summary(run, prepared.folds)} if prepared.unlabelled else {}
    return labelled | {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "there": np.mean(there, axis=0).tolist(),
        "drawn": np.mean(drawn, axis=0).tolist(),
        "mixed": dict(sum(map(Counter, mixed), Counter())),
    }


def _pooled(run: Run, name: str) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    parts = [tables.fold_oof(run, number, name) for number in run.folds]
    return pd.concat([table for table, _ in parts], ignore_index=True), np.concatenate(
        [probabilities for _, probabilities in parts]
    )


def summary(run: Run) -> str:
    """A finished run in two lines: where it is, and its score."""
    status, results = run.status(), run.metrics()
    minutes = (status.seconds or 0) / 60
    where = f"{run.path}: {minutes:.1f} minutes, report in {run.report_file}"
    if not results.validated:
        return f"{where}\ntrained on all photos: there is no validation"
    return f"{where}\nout-of-fold {results.score_of} {results.score} on {results.people} people"
