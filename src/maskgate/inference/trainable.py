"""Recipes and systems by name or file, checked for training before anything heavy is imported."""

from collections.abc import Sequence
from pathlib import Path

from maskgate.config import recipe as recipes
from maskgate.config import system as systems
from maskgate.config.recipe import Recipe
from maskgate.config.system import System
from maskgate.inference import recipe_check
from maskgate.model import replaced_backbone


def open_recipe(name: str, changes: Sequence[str] = ()) -> tuple[Path, Recipe]:
    """The file of a recipe, and the recipe with changes, of which all that it names exists. Raises
    MaskgateError."""
    path = recipes.find(name)
    recipe = recipes.load(path, list(changes))
    recipe_check.check(recipe, path.stem)
    return path, replaced_backbone.fitted(recipe, changes)


def open_recipe_or_system(name: str, changes: Sequence[str] = ()) -> tuple[Path, Recipe | System]:
    """As `open_recipe`, also for a system. Raises MaskgateError."""
    if not systems.is_system(name):
        return open_recipe(name, changes)
    path = systems.find(name)
    system = systems.load(path, list(changes))
    recipe_check.check_system(system, path.stem)
    return path, replaced_backbone.fitted_members(system)
