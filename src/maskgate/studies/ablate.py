"""Changes one thing of a recipe at a time, over the same folds and seeds, and compares.

Every run lies in the study's folder as `NAME-SEED`, an ordinary run folder, so that `maskgate
compare FOLDER` and `maskgate runs FOLDER` read them as they lie there. All recipes are validated
and all photos read before the first training. Runs go seed by seed, the reference first: a study
that is broken off has complete comparisons of its first seeds.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maskgate import cluster
from maskgate.config.recipe import Recipe
from maskgate.core.progress import say
from maskgate.errors import DiskError, MaskgateError
from maskgate.evaluation import compare as comparison
from maskgate.evaluation import groups
from maskgate.evaluation.compare import Comparisons
from maskgate.model import heads
from maskgate.reports.listing import differences
from maskgate.runs import Run, comparability
from maskgate.studies.changes import REFERENCE, Change
from maskgate.training import crossval, distribute, preflight, warm_start
from maskgate.training.options import TrainOptions
from maskgate.training.run_folder import is_finished
from maskgate.training.training_data import TrainingData, prepare


@dataclass(frozen=True)
class Fit:
    """One run of a study: where it goes, which it is, and all that its training needs."""

    recipe: Recipe
    options: TrainOptions
    title: str
    digest: str  # of the run, as the photos are seen here
    damage: str = ""  # what is wrong with the run that was there, if anything

    @property
    def run(self) -> Run:
        assert self.options.out is not None
        return Run(self.options.out)


@dataclass(frozen=True)
class Study:
    """The reference and every change, each with all seeds, in the order of training."""

    changes: tuple[Change, ...]
    differs: tuple[str, ...]  # of each change, as `key.sub=value, …`
    fits: tuple[Fit, ...]
    folds: int  # of a run

    @property
    def left(self) -> list[Fit]:
        """The runs that are neither finished nor damaged."""
        return [fit for fit in self.fits if not fit.damage and not is_finished(fit.run)]

    @property
    def damaged(self) -> list[Fit]:
        """The runs that are there and cannot be used."""
        return [fit for fit in self.fits if fit.damage]

    def trained(self) -> list[Path]:
        """The run folders, those of the reference first and of each change together; of a change
        that has a run unfinished or damaged, none."""
        count = len(self.changes) + 1
        left = {fit.run for fit in (*self.left, *self.damaged)}
        each = [[fit.run for fit in self.fits[at::count]] for at in range(count)]
        return [run.path for side in each if not left.intersection(side) for run in side]


def possible(
    load: Callable[[Sequence[str]], Recipe], changes: Sequence[Change], options: TrainOptions
) -> list[Change]:
    """Those of the changes that can be made alone; of the others it is told why not.

    A head that the loss asks for goes back to its default together with the loss.
    """
    found, reference = [], load([])
    losses = [change for change in changes if change.name == "default-loss"]
    for change in changes:
        together = [
            Change("default-head-and-loss", change.overrides + loss.overrides)
            for loss in (losses if change.name == "default-head" else [])
        ]
        for each in (change, *together):
            try:
                changed = load(each.overrides)
                if told := _not_alike(reference, changed):
                    raise MaskgateError(told)
                preflight.check_recipe(changed, options.name, options.trust)
            except MaskgateError as error:
                say(f"not changed, {each.name}: {error}")
                continue
            found.append(each)
            break
    return found


def plan(
    load: Callable[[Sequence[str]], Recipe],
    changes: Sequence[Change],
    seeds: int,
    folder: Path,
    options: TrainOptions,
) -> Study:
    """The study of these changes; `load` gives the recipe with further overrides.

    Raises MaskgateError that tells all that is wrong with the changes, the data and the folder,
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
            f"{options.name}: folds.kind=all validates nobody, so that nothing can be compared; set"
            " folds.kind to kfold or holdout"
        )
    made = _validated(load, reference, changes)
    ready: list[tuple[str, Recipe, str]] = []
    faults: list[str] = []
    first: TrainingData | None = None
    for name, recipe in made.items():
        say(f"checking {name}")
        try:
            preflight.check_recipe(recipe, options.name, options.trust)
            recipe = preflight.with_detector(recipe, options, options.name)
            same = first is not None and _sees(recipe) == _sees(ready[0][1])
            prepared = first if same and first is not None else prepare(recipe, options)
            preflight.check_data(recipe, prepared, 1)
        except MaskgateError as error:
            if first is None:  # what is wrong with the reference is wrong with all
                raise
            faults.append(f"change {name}: {error}")
            continue
        first = first or prepared
        if told := comparability.mismatch(
            first.validated("the recipe"), prepared.validated(f"change {name}")
        ):
            faults.append(told)
        ready.append((name, recipe, prepared.digest))
    fits = []
    for number in range(seeds):
        for name, recipe, digest in ready:
            seed = reference.seed + number
            out = folder / f"{name}-{seed}"
            own = recipe.model_copy(update={"seed": seed})
            found = Run(out)
            wanted = own.digest(digest, *warm_start.weight_digests(own))
            damage = _damage(found)
            place = replace(options, name=name, out=out)
            fits.append(
                Fit(
                    recipe=own,
                    options=place,
                    title=f"{name}, seed {seed}",
                    digest=wanted,
                    damage=damage,
                )
            )
            if damage:
                say(f"warning: {damage}")
            elif found.status_file.exists() and found.status().digest != wanted:
                faults.append(
                    f"{out} holds a run with another recipe or other data; give another --out, or"
                    " remove that folder"
                )
    _refuse(faults)
    assert first is not None
    plain = reference.model_dump(mode="json")
    differs = [
        ", ".join(differences(plain, each.model_dump(mode="json"))) for each in made.values()
    ]
    return Study(tuple(changes), tuple(differs[1:]), tuple(fits), len(first.folds))


def train(study: Study, on: str | None = None) -> dict[str, str]:
    """Train what is not finished, here or `on` a cluster (`cluster.map_unordered`).

    Returns of each change of which a run failed why: its loss exploded, say. The others go on; the
    same command tries it again. Raises MaskgateError where the reference fails, or all changes.
    """
    left, failed = study.left, {fit.options.name: fit.damage for fit in study.damaged}
    if REFERENCE in failed:
        raise MaskgateError(failed[REFERENCE])
    done = len(study.fits) - len(left) - len(study.damaged)
    items = [
        replace(fit, title=f"run {number} of {len(study.fits)}: {fit.title}")
        for number, fit in enumerate(left, done + 1)
    ]
    if on is not None and left:
        left[0].run.path.parent.mkdir(parents=True, exist_ok=True)  # by it a node knows its place
    train_one = _train if on is None else _train_there
    for ended, (number, why) in enumerate(cluster.map_unordered(train_one, items, on, _name), 1):
        fit = items[number]
        to_go = f"{len(left) - ended} to go. {remaining(study)}".strip()
        if not why:
            say(f"{fit.title}: ended, {to_go}")
            continue
        if fit.options.name == REFERENCE:
            raise MaskgateError(f"{fit.title}: {why}")
        say(f"{fit.title}: failed ({why}), {to_go}")
        failed.setdefault(fit.options.name, why)
    if len(failed) == len(study.changes):
        raise MaskgateError(f"every change failed; the first: {next(iter(failed.values()))}")
    return failed


def _damage(run: Run) -> str:
    """What is wrong with the run that is there; nothing where there is none."""
    if not run.status_file.exists():
        return ""
    try:
        run.seconds()
    except MaskgateError as error:
        return str(error)
    return str(groups.damage(run) or "")


def _name(fit: Fit) -> str:
    return fit.run.path.name


def _train(fit: Fit, again: bool = False) -> str:
    """Why a training failed by its own fault, as where the loss explodes; nothing where it ended
    well. Raises DiskError, a fault that the others have as well, such as a full disk."""
    say(fit.title)
    try:
        crossval.train(fit.recipe, fit.options, again=again)
    except DiskError:
        raise
    except MaskgateError as error:
        return str(error)
    return ""


def _train_there(fit: Fit) -> str:
    """As `_train`, on a node of a cluster, which may be begun anew there."""
    study = fit.run.path.parent
    if not study.is_dir():
        raise distribute.folder_not_shared(study, "the folder of runs")
    prepared = prepare(fit.recipe, fit.options)
    if fit.recipe.digest(prepared.digest, *warm_start.weight_digests(fit.recipe)) != fit.digest:
        raise distribute.data_differ(fit.options.data)
    return _train(fit, again=True)


def verdicts(study: Study) -> Comparisons:
    """Every change that was trained against the reference, corrected for their number. Raises
    MaskgateError."""
    return comparison.compare(study.trained())


def remaining(study: Study) -> str:
    """What the fits that are left will take, by those that are done; nothing before the first."""
    whole = [fit for fit in study.fits if not fit.damage]
    took = sorted(second for fit in whole for second in fit.run.seconds())
    left = sum(study.folds - len(fit.run.seconds()) for fit in study.left)
    if not took or not left:
        return ""
    low, high = took[0] / 60, took[-1] / 60
    return (
        f"A fit took {low:.1f} to {high:.1f} minutes, {left} are left: {left * low:.0f} to"
        f" {left * high:.0f} minutes one after the other."
    )


# ------------------------------------------------------------------------------ validation


def _validated(
    load: Callable[[Sequence[str]], Recipe], reference: Recipe, changes: Sequence[Change]
) -> dict[str, Recipe]:
    """The reference's recipe and that of every change by name. Raises MaskgateError of all
    faults."""
    if not changes:
        raise MaskgateError(
            "no change to make: the recipe differs from the defaults in nothing that can be put"
            " back; give --change key.sub=value, or --changes FILE"
        )
    made, faults = {REFERENCE: reference}, []
    for change in changes:
        try:
            recipe = load(change.overrides)
        except MaskgateError as error:
            faults.append(f"change {change.name}: {error}")
            continue
        twin = next((name for name, other in made.items() if other == recipe), None)
        if change.name in made:
            faults.append(f"two changes are called {change.name}; give each its own name")
        elif not re.fullmatch(r"[\w.=+][\w.=+-]*", change.name):
            faults.append(
                f"change {change.name!r}: is the name of folders; use letters, digits and . = + - _"
            )
        elif twin == REFERENCE:
            faults.append(f"change {change.name}: changes nothing of the recipe; leave it out")
        elif twin is not None:
            faults.append(f"changes {twin} and {change.name} are alike; leave out one")
        elif told := _not_alike(reference, recipe):
            faults.append(f"change {change.name}: {told}")
        else:
            made[change.name] = recipe
    _refuse(faults)
    return made


def _not_alike(reference: Recipe, recipe: Recipe) -> str:
    """Why the two would not be judged alike; nothing where they are."""
    ours, theirs = reference.labels, recipe.labels
    if recipe.folds != reference.folds:
        return "changes folds, and with them the people validated; set it for all after DATA"
    if recipe.seed != reference.seed:
        return "changes the seed, which is no change of the recipe; see --seeds"
    if heads.attributes(recipe.model.head) != heads.attributes(reference.model.head):
        return "changes which attributes the model knows, and with them what the score is of"
    if ours.truth != theirs.truth or (ours.truth and ours.corrections != theirs.corrections):
        return "changes the truth that scores are taken against; set it for all after DATA"
    return ""


def _sees(recipe: Recipe) -> tuple[object, ...]:
    """All of a recipe that `prepare` looks at."""
    return recipe.data, recipe.labels, recipe.photo, recipe.pseudo, recipe.folds


def _refuse(faults: list[str]) -> None:
    if faults:
        raise MaskgateError("; ".join(faults))
