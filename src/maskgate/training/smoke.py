"""The smoke test of `maskgate train --smoke`: every step once, on a few photos, in seconds.

What the training itself would refuse is refused here too, as far as that shows without decoding
all photos and without a download.
"""

from pathlib import Path

import pandas as pd

from maskgate import runs
from maskgate.config.recipe import Recipe
from maskgate.core.progress import say
from maskgate.data import checks, folds, label_map, layouts
from maskgate.model import backbone
from maskgate.reports.changed_settings import differences
from maskgate.training import preflight, training_data
from maskgate.training.options import TrainOptions


def recipe_of(recipe: Recipe) -> Recipe:
    """The recipe of a smoke test: every step once, two folds, one update, the smallest photos.

    Nothing is downloaded, and no tracker sees it.
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
    }
    changed["schedule"]["warmup_epochs"] = 0.0
    changed["tracking"] = ()
    return Recipe.model_validate(changed)


def announce(recipe: Recipe, small: Recipe) -> None:
    """Say what the smoke test overrides: `small` is its recipe, of `recipe`."""
    changes = differences(recipe.model_dump(mode="json"), small.model_dump(mode="json"))
    say(
        f"smoke test: at most {training_data.SMOKE_PHOTOS} photos of each data set, one update per"
        f" epoch, and instead of the recipe's settings {', '.join(changes) or 'none'}"
    )


def check(recipe: Recipe, options: TrainOptions) -> None:
    """Raise MaskgateError for what a training of the recipe itself would refuse."""
    model = recipe.model.model_copy(update={"pretrained": False})
    without_download = recipe.model_copy(update={"model": model})
    preflight.check_recipe(without_download, options.name, options.trust)
    photos = layouts.read(options.data, label_map.of_settings(recipe.labels), options.folder)
    checks.refuse(photos.problems, options.data, options.skip_faulty)
    people = pd.factorize(photos.table["person"])[0]  # near-duplicates are known after decoding
    settings = recipe.folds
    if settings.file is None:
        folds.split(
            photos,
            people,
            settings.kind,
            count=settings.count,
            fraction=settings.fraction,
            seed=settings.seed,
        )
        return
    runs.verify(Path(settings.file))
    fold_of_photo = folds.read(Path(settings.file), photos, people)
    training_data.check_kind(settings, fold_of_photo)
