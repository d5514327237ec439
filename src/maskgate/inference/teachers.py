"""A recipe's `teacher`: a run or a bundle whose probabilities are soft labels."""

from pathlib import Path

from maskgate import bundle, runs
from maskgate.bundle import Bundle
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.runs import Run


def open_teacher(recipe: Recipe, trust: bool = False) -> Run | Bundle | None:
    """The recipe's teacher: a bundle or the run of a single model; for soft labels out of fold a
    run of any kind. Raises MaskgateError."""
    if recipe.teacher is None:
        return None
    path = Path(recipe.teacher)
    if recipe.soft_labels is None:
        return bundle.open_bundle(path) if bundle.is_bundle(path) else runs.open_model(path, trust)
    if bundle.is_bundle(path):
        raise MaskgateError(
            f"teacher={path}: a bundle has no out-of-fold probabilities; give the run that it was"
            " exported from, or leave out soft_labels"
        )
    run = runs.open_run(path, trust)
    if not run.metrics().validated:
        raise MaskgateError(
            f"teacher={run.path}: has no validation people, so there are no out-of-fold"
            " probabilities; give a run with folds, or leave out soft_labels"
        )
    return run
