"""Checks everything before training starts, and creates what a fold's training needs."""

from pathlib import Path
from typing import Final

import torch
from accelerate import Accelerator

from maskgate import labels
from maskgate.config import trackers
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component, lookup
from maskgate.core.progress import say
from maskgate.core.seeding import derive
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, view
from maskgate.imaging.tta import tta_views
from maskgate.model import averages, losses, network, optim, schedules
from maskgate.model.network import Network
from maskgate.pipeline import cache, sampling
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.mixing import Mixing
from maskgate.pipeline.target import one_of_each
from maskgate.pipeline.transforms import Augment
from maskgate.training import pseudo, soft_labels, warm_start
from maskgate.training.batches import Task
from maskgate.training.epoch_progress import RunProgress
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions
from maskgate.training.trainer import Trainer
from maskgate.training.training_data import TrainingData

_FEW_UPDATES: Final = 10  # of the weights in a fold: with fewer, nearly nothing is learned


def check_recipe(recipe: Recipe, name: str, trust: bool = False) -> None:
    """Create everything that a recipe names once, so that errors appear before a photo is read.

    `trust` if the user trusts the code of runs that it names. Raises MaskgateError.
    """
    try:
        if recipe.pseudo is not None:
            pseudo.labeller(recipe, trust)
        soft_labels.check_attributes(recipe, trust)
        Augment(recipe.augment, recipe.photo.geometry).check()
        Mixing(recipe.mixing)
        tta_views(recipe.tta, recipe.photo.geometry)
        _check_ages(recipe)
        trackers.check(recipe.tracking)
        lookup("sampling", recipe.sampling.name, sampling.SAMPLERS)
        model = network.create(recipe)
        loss = losses.create(recipe.loss, one_of_each(), model.head)
        losses.check_use(loss, model.head, has_teacher=recipe.teacher is not None)
        if recipe.training.average is not None:
            averages.create(recipe.training.average, model)
        optim.check(recipe.optimizer)
        optimizer = optim.create(recipe.optimizer, model)
        schedule = schedules.create(recipe.schedule, optimizer, recipe.training.epochs, 1)
        schedules.check(schedule, recipe.schedule, optimizer, recipe.training.epochs)
    except MaskgateError as error:
        raise MaskgateError(f"recipe {name}: {error}") from error


def with_detector(recipe: Recipe, options: TrainOptions, name: str) -> Recipe:
    """The recipe with an available face detector, downloaded if needed; a smoke test downloads
    none and uses MTCNN instead. Raises MaskgateError."""
    photo = recipe.photo
    try:
        face = photo.face
        if (
            options.smoke
            and face is not None
            and not detectors.is_available(face.detector, options.folder)
        ):
            say(f"{face.detector.name} is not downloaded: the smoke test uses mtcnn instead")
            other = face.model_copy(update={"detector": Component(name="mtcnn")})
            photo = photo.model_copy(update={"face": other})
        return recipe.model_copy(update={"photo": view.resolved(photo, options.folder)})
    except MaskgateError as error:
        raise MaskgateError(f"recipe {name}: {error}") from error


def _check_ages(recipe: Recipe) -> None:
    """Raise MaskgateError if fine age classes and age bands have different boundaries."""
    fine = recipe.model.head.arguments.get("age") == "fine"
    if fine and recipe.labels.old_from != labels.AGE_BOUNDARIES[1]:
        raise MaskgateError(
            "labels.old_from moves the age bands, but not the fine age classes of model.head; use"
            " one of the two"
        )


def check_data(recipe: Recipe, prepared: TrainingData, processes: int) -> None:
    """Check the recipe against the data, before a folder is created. Raises MaskgateError."""
    folds = [prepared.fold_data(number) for number in prepared.folds]
    for data in folds:
        count = len(data.train)
        if count < 2 * processes:
            ages = ", or shorten labels.leave_out_ages" if prepared.left_out_for_age else ""
            raise MaskgateError(
                f"{prepared.photos.root.resolve()}: fold {data.fold} leaves {count} photos to train"
                f" on; add photos, or lower folds.count or folds.fraction{ages}"
            )
    sampling.epoch_order(recipe.sampling, folds[0].train, folds[0].table, recipe.seed)
    for data in folds if recipe.model.init is not None else []:
        initial_network(recipe, prepared, data)
    pseudo.check(recipe, prepared, folds)
    soft_labels.check(recipe, prepared, folds)


def few_updates(recipe: Recipe, prepared: TrainingData) -> list[str]:
    """A sentence if the smallest fold has too few updates to learn from; otherwise none."""
    folds = [prepared.fold_data(number) for number in prepared.folds]
    updates = recipe.training.epochs * min(_updates_per_epoch(recipe, data) for data in folds)
    if updates >= _FEW_UPDATES:
        return []
    return [
        f"updates of the weights per fold: {updates}, too few to learn from; raise training.epochs,"
        " or lower training.batch_size"
    ]


def _updates_per_epoch(recipe: Recipe, data: FoldData) -> int:
    place = recipe.seed, data.fold, 0
    order = sampling.epoch_order(recipe.sampling, data.train, data.table, *place)
    return len(sampling.batches(order, min(recipe.training.batch_size, len(data.train))))


def initial_network(recipe: Recipe, prepared: TrainingData, data: FoldData) -> Network:
    """A fold's network with its initial weights. Raises MaskgateError."""
    torch.manual_seed(derive(recipe.seed, data.fold, "weights"))
    by_data = recipe.model.normalise == "data"
    colours = cache.statistics(prepared.store, data.train) if by_data else None
    model = network.create(recipe, colours)
    if recipe.model.init is not None:
        warm_start.load_weights(model, recipe.model, prepared, data)
    return model


def create_task(
    recipe: Recipe,
    prepared: TrainingData,
    data: FoldData,
    *,
    options: TrainOptions,
    accelerator: Accelerator,
) -> Task:
    """The task of one fold, with a loader by the options. Raises MaskgateError."""
    geometry = recipe.photo.geometry
    loader = Loader(
        prepared.store,
        data.table,
        geometry,
        Augment(recipe.augment, geometry),
        workers=options.workers,
        device=accelerator.device,
        soft_labels=soft_labels.of_fold(recipe, prepared, data, options),
    )
    return Task(data, loader, updates=1 if options.smoke else None)


def create_trainer(
    recipe: Recipe,
    prepared: TrainingData,
    data: FoldData,
    *,
    options: TrainOptions,
    checkpoint: Path,
    accelerator: Accelerator,
    run_progress: RunProgress,
) -> Trainer:
    """The trainer of one fold, restored from its checkpoint if there is one. Raises
    MaskgateError."""
    progress = [run_progress.callbacks()] if accelerator.is_main_process else []
    return Trainer(
        recipe,
        initial_network(recipe, prepared, data),
        create_task(recipe, prepared, data, options=options, accelerator=accelerator),
        path=checkpoint,
        accelerator=accelerator,
        checkpoint_seconds=options.checkpoint_seconds,
        callbacks=[*progress, *options.callbacks],
    )
