"""A recipe's `teacher`: a run or a bundle whose probabilities are soft labels."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maskgate import bundle, runs
from maskgate.bundle import Bundle
from maskgate.config import settings
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder


def open_teacher(recipe: Recipe, trust: bool = False) -> RunFolder | Bundle | None:
    """The recipe's teacher: a bundle, or the run of a single model or a system. Raises
    MaskgateError, also where soft labels are to be out of fold and it has none."""
    if recipe.teacher is None:
        return None
    path = Path(recipe.teacher)
    if recipe.soft_labels is None:
        return bundle.open_bundle(path) if bundle.is_bundle(path) else runs.open_run(path, trust)
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


def student(
    recipe: Recipe,
    run: RunFolder,
    *,
    weight: float,
    temperature: float,
    out_of_fold: bool = False,
    pseudo: tuple[Path, Path] | None = None,
) -> Recipe:
    """The recipe taught by a run, on the run's folds: by what its models predict, or by its
    probabilities `out_of_fold`.

    `weight`, up to 1, is that of the loss `distillation`; the recipe's own loss has the rest.
    `pseudo` is a run that labels photos without labels, and their folder: the student learns them,
    too. Raises MaskgateError if the recipe has a teacher or such photos already, if the run
    validated nobody, or if stored probabilities are to be learned of photos without any.
    """
    if not run.metrics().validated:
        raise MaskgateError(
            f"{run.path}: has no validation people, so there is no gain to keep; give a run with"
            " folds"
        )
    parts = _parts(recipe)
    if recipe.teacher is not None or any(_name(part) == "distillation" for part in parts):
        raise MaskgateError(
            "the recipe has a teacher, or the loss distillation, which distill sets; leave it out,"
            " or train the recipe with maskgate train"
        )
    if pseudo is not None and recipe.pseudo is not None:
        raise MaskgateError("the recipe has pseudo labels, which --unlabelled sets; leave one out")
    if pseudo is not None and out_of_fold:
        raise MaskgateError(
            f"{run.path}: has no out-of-fold probabilities of {pseudo[1]}; leave out --unlabelled"
            " or --out-of-fold"
        )
    label_losses = [_weighted(part, 1 - weight) for part in parts]
    teacher_loss = {"name": "distillation", "temperature": temperature, "weight": weight}
    changed = recipe.model_dump()
    changed |= {"teacher": str(run.path), "soft_labels": "out_of_fold" if out_of_fold else None}
    if pseudo is not None:
        changed["pseudo"] = {"run": str(pseudo[0]), "photos": str(pseudo[1])}
    changed["loss"] = {"name": "sum", "parts": [*label_losses, teacher_loss]}
    changed["folds"] |= {"kind": "kfold", "file": str(run.folds_file)}
    try:
        return Recipe.model_validate(changed)
    except ValidationError as error:
        raise MaskgateError(
            f"taught by {run.path}: {settings.describe_errors(error, Recipe)}"
        ) from error


def _parts(recipe: Recipe) -> list[Any]:
    """The losses that the recipe's loss sums."""
    parts = recipe.loss.arguments.get("parts") if recipe.loss.name == "sum" else None
    return list(parts) if isinstance(parts, list | tuple) else [recipe.loss.model_dump()]


def _name(part: Any) -> Any:
    return part.get("name") if isinstance(part, dict) else part


def _weighted(part: Any, factor: float) -> Any:
    """A part of a sum with its weight times `factor`; a wrong part as it is, for the training to
    refuse."""
    part = {"name": part} if isinstance(part, str) else part
    if not isinstance(part, dict) or not isinstance(part.get("weight", 1.0), int | float):
        return part
    return part | {"weight": round(factor * part.get("weight", 1.0), 12)}


def best_member(run: RunFolder) -> RunFolder:
    """The single model with the best score among the members of a system. Raises MaskgateError
    where none has the same kind of score as the system, or the run is no system's."""
    results, ranked = run.metrics(), []
    members = zip(run.system().members, run.members(), strict=True) if run.is_system else ()
    for number, (spec, member) in enumerate(members):
        result = results.members.get(spec.name)
        if result is None or result.score is None or result.score_of != results.score_of:
            continue
        if not member.is_system:
            ranked.append((result.score.value, -number, member))
    if not ranked:
        raise MaskgateError(
            f"{run.path}: has no member to be the single model of the comparison; give one with"
            " --single, such as the recipe's run without a teacher"
        )
    return max(ranked, key=lambda entry: entry[:2])[2]
