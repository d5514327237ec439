"""What an ablation trains: the runs of a recipe and of changes of it, all checked beforehand.

All recipes are validated and all photos read before the first training. Runs are trained seed by
seed, the reference first: an interrupted study has complete comparisons of its first seeds.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maskgate.config.recipe import Recipe
from maskgate.core.progress import say
from maskgate.errors import MaskgateError
from maskgate.evaluation import groups
from maskgate.model import heads
from maskgate.reports.changed_settings import differences
from maskgate.runs import RunFolder, comparability
from maskgate.studies.changes import REFERENCE, Change
from maskgate.training import preflight, warm_start
from maskgate.training.options import TrainOptions
from maskgate.training.run_folder import is_finished
from maskgate.training.training_data import TrainingData, prepare


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: its recipe, options and folder."""

    recipe: Recipe
    options: TrainOptions
    title: str
    digest: str  # of the recipe and the data
    damage: str = ""  # what is wrong with the existing run, if anything

    @property
    def run(self) -> RunFolder:
        assert self.options.out is not None
        return RunFolder(self.options.out)


@dataclass(frozen=True)
class Study:
    """The runs of the reference and of every change, with all seeds, in the order of training."""

    changes: tuple[Change, ...]
    differs: tuple[str, ...]  # for each change, as `key.sub=value, …`
    runs: tuple[PlannedRun, ...]
    folds: int  # of a run

    @property
    def left(self) -> list[PlannedRun]:
        """The runs that are neither finished nor damaged."""
        return [
            planned for planned in self.runs if not planned.damage and not is_finished(planned.run)
        ]

    @property
    def damaged(self) -> list[PlannedRun]:
        """The existing runs that cannot be used."""
        return [planned for planned in self.runs if planned.damage]

    def trained(self) -> list[Path]:
        """The run folders, grouped by change, the reference first; without the changes that have an
        unfinished or damaged run."""
        count = len(self.changes) + 1
        left = {planned.run for planned in (*self.left, *self.damaged)}
        each = [[planned.run for planned in self.runs[at::count]] for at in range(count)]
        return [run.path for group in each if not left.intersection(group) for run in group]


@dataclass(frozen=True)
class _CheckedRecipe:
    """A recipe that has passed all checks, with an available face detector."""

    name: str  # REFERENCE, or the change's
    recipe: Recipe
    data_digest: str
    folds: int  # of a run

    @classmethod
    def of(cls, name: str, recipe: Recipe, data: TrainingData) -> "_CheckedRecipe":
        return cls(name, recipe, data.digest, len(data.folds))


def applicable_changes(
    load: Callable[[Sequence[str]], Recipe], changes: Sequence[Change], options: TrainOptions
) -> list[Change]:
    """The changes that can be made on their own; for the others the reason is printed.

    A head that the loss needs is reset together with the loss.
    """
    applicable, reference = [], load([])
    losses = [change for change in changes if change.name == "default-loss"]
    for change in changes:
        with_loss = [
            Change("default-head-and-loss", change.overrides + loss.overrides)
            for loss in (losses if change.name == "default-head" else [])
        ]
        for candidate in (change, *with_loss):
            try:
                changed = load(candidate.overrides)
                if reason := _why_not_comparable(reference, changed):
                    raise MaskgateError(reason)
                preflight.check_recipe(changed, options.name, options.trust)
            except MaskgateError as error:
                say(f"skipped change {candidate.name}: {error}")
                continue
            applicable.append(candidate)
            break
    return applicable


def plan(
    load: Callable[[Sequence[str]], Recipe],
    changes: Sequence[Change],
    seeds: int,
    folder: Path,
    options: TrainOptions,
) -> Study:
    """The study of these changes; `load` gives the recipe with extra overrides.

    Raises MaskgateError with everything that is wrong with the changes, the data and the folder,
    before anything is trained.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise MaskgateError(
            "the runs of an ablation are trained by one process each: start this command without"
            " torchrun; on several machines, with --on ray"
        )
    reference = load([])
    if reference.folds.kind == "all":
        raise MaskgateError(
            f"{options.name}: folds.kind=all has no validation, so nothing can be compared; set"
            " folds.kind to kfold or holdout"
        )
    changed_recipes = _load_changes(load, reference, changes)
    checked, faults = _check_recipes(reference, changed_recipes, options)
    runs, run_faults = _plan_runs(checked, seeds, folder, options)
    _refuse([*faults, *run_faults])
    differs = [_difference(reference, recipe) for recipe in changed_recipes.values()]
    return Study(tuple(changes), tuple(differs), tuple(runs), checked[0].folds)


def _load_changes(
    load: Callable[[Sequence[str]], Recipe], reference: Recipe, changes: Sequence[Change]
) -> dict[str, Recipe]:
    """The recipe of every change, by its name. Raises MaskgateError with all errors."""
    if not changes:
        raise MaskgateError(
            "no changes: the recipe has no setting that can be reset to its default; give"
            " --change key.sub=value, or --changes FILE"
        )
    recipes, faults = {REFERENCE: reference}, []
    for change in changes:
        try:
            recipe = load(change.overrides)
        except MaskgateError as error:
            faults.append(f"change {change.name}: {error}")
            continue
        same_as = next((name for name, other in recipes.items() if other == recipe), None)
        if change.name in recipes:
            faults.append(f"two changes are called {change.name}; give each its own name")
        elif not re.fullmatch(r"[\w.=+][\w.=+-]*", change.name):
            faults.append(
                f"change {change.name!r}: becomes a folder name; use letters, digits and . = + - _"
            )
        elif same_as == REFERENCE:
            faults.append(f"change {change.name}: does not change the recipe; leave it out")
        elif same_as is not None:
            faults.append(f"changes {same_as} and {change.name} are the same; leave out one")
        elif reason := _why_not_comparable(reference, recipe):
            faults.append(f"change {change.name}: {reason}")
        else:
            recipes[change.name] = recipe
    _refuse(faults)
    return {change.name: recipes[change.name] for change in changes}


def _why_not_comparable(reference: Recipe, recipe: Recipe) -> str:
    """Why scores of the two recipes cannot be compared; empty if they can."""
    reference_labels, labels = reference.labels, recipe.labels
    if recipe.folds != reference.folds:
        return "changes folds, and so the validation people; set it for all runs after DATA"
    if recipe.seed != reference.seed:
        return "changes the seed, which is not a change of the recipe; see --seeds"
    if heads.attributes(recipe.model.head) != heads.attributes(reference.model.head):
        return "changes which attributes the model predicts, so the scores are not comparable"
    if labels.truth != reference_labels.truth or (
        labels.truth and labels.corrections != reference_labels.corrections
    ):
        return "changes the labels that scores are computed against; set it for all runs after DATA"
    return ""


def _check_recipes(
    reference: Recipe, changed_recipes: dict[str, Recipe], options: TrainOptions
) -> tuple[list[_CheckedRecipe], list[str]]:
    """The reference and the changed recipes that can be trained, and what is wrong with changes.

    Raises MaskgateError for an error in the reference, which is one in all.
    """
    reference = _check_settings(REFERENCE, reference, options)
    reference_data = prepare(reference, options)
    preflight.check_data(reference, reference_data, 1)
    checked = [_CheckedRecipe.of(REFERENCE, reference, reference_data)]
    faults = []
    for name, recipe in changed_recipes.items():
        try:
            recipe = _check_settings(name, recipe, options)
            same_data = _data_settings(recipe) == _data_settings(reference)
            data = reference_data if same_data else prepare(recipe, options)
            preflight.check_data(recipe, data, 1)
        except MaskgateError as error:
            faults.append(f"change {name}: {error}")
            continue
        if fault := comparability.mismatch(
            reference_data.validated("the recipe"), data.validated(f"change {name}")
        ):
            faults.append(fault)
        checked.append(_CheckedRecipe.of(name, recipe, data))
    return checked, faults


def _check_settings(name: str, recipe: Recipe, options: TrainOptions) -> Recipe:
    """The recipe with an available face detector. Raises MaskgateError."""
    say(f"checking {name}")
    preflight.check_recipe(recipe, options.name, options.trust)
    return preflight.with_detector(recipe, options, options.name)


def _data_settings(recipe: Recipe) -> tuple[object, ...]:
    """The parts of a recipe that `prepare` reads."""
    return recipe.data, recipe.labels, recipe.photo, recipe.pseudo, recipe.folds


def _plan_runs(
    checked: Sequence[_CheckedRecipe], seeds: int, folder: Path, options: TrainOptions
) -> tuple[list[PlannedRun], list[str]]:
    """The runs of all recipes, seed by seed, and a sentence for each folder that has another run.
    Warns of damaged runs."""
    runs, faults = [], []
    for number in range(seeds):
        for each in checked:
            planned = _plan_run(each, each.recipe.seed + number, folder, options)
            runs.append(planned)
            run = planned.run
            if planned.damage:
                say(f"warning: {planned.damage}")
            elif run.status_file.exists() and run.status().digest != planned.digest:
                faults.append(
                    f"{run.path} has a run of another recipe or other data; give another --out, or"
                    " remove that folder"
                )
    return runs, faults


def _plan_run(
    checked: _CheckedRecipe, seed: int, folder: Path, options: TrainOptions
) -> PlannedRun:
    recipe = checked.recipe.model_copy(update={"seed": seed})
    out = folder / f"{checked.name}-{seed}"
    return PlannedRun(
        recipe=recipe,
        options=replace(options, name=checked.name, out=out),
        title=f"{checked.name}, seed {seed}",
        digest=recipe.digest(checked.data_digest, *warm_start.weight_digests(recipe)),
        damage=_damage(RunFolder(out)),
    )


def _damage(run: RunFolder) -> str:
    """What is wrong with an existing run; empty if nothing is, or if there is no run."""
    if not run.status_file.exists():
        return ""
    try:
        run.fold_seconds()
    except MaskgateError as error:
        return str(error)
    return str(groups.damage(run) or "")


def _difference(reference: Recipe, recipe: Recipe) -> str:
    """The settings in which a recipe differs, as `key.sub=value, …`."""
    settings, changed_settings = (each.model_dump(mode="json") for each in (reference, recipe))
    return ", ".join(differences(settings, changed_settings))


def _refuse(faults: list[str]) -> None:
    if faults:
        raise MaskgateError("; ".join(faults))
