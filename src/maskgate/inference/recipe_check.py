"""Checks the names and paths in a recipe or a system before anything heavy is imported.

It covers every name and every path. The arguments of losses, heads, optimisers and so on are
checked when the training starts, as that needs torch.
"""

from pathlib import Path

from maskgate import runs
from maskgate.config import recipe_files, trackers
from maskgate.config.recipe import DataSet, Labels, Recipe
from maskgate.config.system import System
from maskgate.data import label_map
from maskgate.ensemble import combining
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, model_files
from maskgate.imaging.tta import tta_views
from maskgate.inference import teachers
from maskgate.model import names, pretrained


def check(recipe: Recipe, name: str) -> None:
    """Raise MaskgateError for a wrong name or path in a recipe called `name`."""
    _check_names(recipe, name)
    _check_paths(recipe)


def check_system(system: System, name: str) -> None:
    """As `check`, for a system and every member that is a recipe."""
    combining.check_names(EnsembleSpec.from_system(system))
    for number, (member, recipe) in enumerate(system.recipes().items()):
        _check_names(recipe, f"{name}, member {member}")
        try:
            _check_paths(recipe)
        except MaskgateError as error:
            if not number:  # it may concern all members
                raise
            raise MaskgateError(f"member {member}: {error}") from error


def _check_names(recipe: Recipe, name: str) -> None:
    """Names and paths of which training says that the recipe is wrong."""
    try:
        if recipe.pseudo is not None:
            runs.open_model(recipe.pseudo.run)
        names.check(recipe)
        trackers.check(recipe.tracking)
        sections: list[Labels | DataSet] = [recipe.labels, *recipe.data]
        for section in sections:
            label_map.of_settings(section).check()
        tta_views(recipe.tta, recipe.photo.geometry)
        pretrained.check(recipe.model)
        if recipe.teacher is not None:
            teachers.open_teacher(recipe)
        if recipe.photo.face is not None:
            detector = recipe.photo.face.detector
            detectors.check(detector)
            if (file := detector.arguments.get("file")) is not None:
                model_files.existing_file(file, f"file of detector {detector.name}")
    except MaskgateError as error:
        raise MaskgateError(f"recipe {name}: {error}") from error


def _check_paths(recipe: Recipe) -> None:
    """Paths of which training says that the data or another run is wrong."""
    if recipe.training.epochs_from is not None:
        runs.open_model(recipe.training.epochs_from)
    if recipe.labels.corrections is not None:
        recipe_files.corrections(recipe.labels.corrections)
    for data in recipe.data:
        recipe_files.check_extra(Path(data.path))
    if recipe.pseudo is not None:
        recipe_files.check_unlabelled(Path(recipe.pseudo.photos))
    if recipe.folds.file is not None:
        recipe_files.check_fold_file(Path(recipe.folds.file))
    if recipe.model.init is not None:
        runs.open_model(recipe.model.init)
