"""Trains a system: each member as a separate run, then their ensemble."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from filelock import FileLock

from maskgate.cluster import Cluster
from maskgate.config.recipe import Recipe
from maskgate.config.system import System
from maskgate.core.progress import log, say
from maskgate.ensemble import combining
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.model import heads
from maskgate.runs import RunFolder, comparability
from maskgate.tracking import session
from maskgate.tracking.session import Tracking
from maskgate.training import (
    crossval,
    distribute,
    ensemble_run,
    preflight,
    processes,
    run_folder,
    warm_start,
)
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData, prepare


@dataclass(frozen=True)
class Training:
    """A system's run before its first member is trained.

    `recipes` are the members', with available face detectors; `first` is the data of one member.
    """

    system: System
    options: TrainOptions
    run: RunFolder
    digest: str
    recipes: dict[str, Recipe]
    first: TrainingData


def train(system: System, options: TrainOptions, on: Cluster | None = None) -> RunFolder:
    """Train the members of a system in its folder and score their ensemble.

    If `on` names a cluster, the folds of all members are trained there. Finished members are left
    as they are, an unfinished one is resumed. Raises MaskgateError; errors of any member are raised
    before the first is trained.
    """
    if system.is_of_runs:
        raise MaskgateError(
            f"{options.name}: its members are trained already; combine them with maskgate combine"
        )
    if on is not None:
        distribute.check_single_process()
    resolved = {
        name: crossval.resolved(recipe, options) for name, recipe in system.recipes().items()
    }
    with processes.group() as group:

        def on_main(work: Callable[[], Any]) -> Any:
            return processes.on_main(group, work)

        training = processes.only_on_main(
            group, lambda: _prepare(system, resolved, options, group.num_processes)
        )
        run, recipes = on_main(lambda: (_in_main(training).run, _in_main(training).recipes))
        if on_main(lambda: run_folder.is_finished(run)):
            if group.is_main_process:
                say(f"{run.path}: this run is finished; to train it again, remove the folder")
                _send(run, recipes)
            return run
        lock = FileLock(run.path / ".lock", timeout=0)
        on_main(lambda: run_folder.acquire(lock, run))
        try:
            on_main(lambda: _describe(_in_main(training)))
            members = [
                (recipe, replace(options, name=name, out=run.path / "members" / name))
                for name, recipe in recipes.items()
            ]
            if on is not None:
                distribute.train(members, on)
            for number, (recipe, member_options) in enumerate(members if on is None else [], 1):
                if group.is_main_process:
                    log(f"member {number} of {len(members)}: {member_options.name}")
                crossval.train(recipe, member_options)
            on_main(lambda: _conclude(_in_main(training)))
        finally:
            lock.release()
    return run


def _send(run: RunFolder, recipes: dict[str, Recipe]) -> None:
    """Send trackers what they lack of a finished system and its members."""
    for name, recipe in recipes.items():
        if not session.send(RunFolder(run.path / "members" / name), recipe.tracking):
            return
    session.send(run, next(iter(recipes.values())).tracking)


# ------------------------------------------------------------------------ before training


def _prepare(
    system: System,
    recipes: dict[str, Recipe],
    options: TrainOptions,
    processes: int,
) -> Training:
    """Check every member, then create the system's folder. Raises MaskgateError."""
    recipes = {name: _check_recipe(recipe, options, name) for name, recipe in recipes.items()}
    spec = EnsembleSpec.from_system(system)
    if spec.learns and (system.folds.kind == "all" or system.folds.vote == "hard_vote"):
        raise MaskgateError(
            f"{options.name}: {', '.join(spec.names)} is learned from out-of-fold probabilities;"
            " set folds.kind to kfold or holdout, and folds.vote to soft_vote"
        )
    combining.check(spec, [heads.attributes(r.model.head) for r in recipes.values()])
    first: TrainingData | None = None
    digests = {}
    for name, recipe in recipes.items():
        try:
            prepared = prepare(recipe, options)
            preflight.check_data(recipe, prepared, processes)
        except MaskgateError as error:
            if first is None:  # an error in the data, which all members share
                raise
            raise MaskgateError(f"member {name}: {error}") from error
        first = first or prepared
        comparability.check(
            first.validated("the first member"), prepared.validated(f"member {name}")
        )
        digests[name] = recipe.digest(prepared.digest, *warm_start.weight_digests(recipe))
    assert first is not None
    digest = system.digest(digests)
    return Training(
        system=system,
        options=options,
        run=RunFolder(run_folder.place(options, digest)),
        digest=digest,
        recipes=recipes,
        first=first,
    )


def _check_recipe(recipe: Recipe, options: TrainOptions, member: str) -> Recipe:
    """A member's recipe with an available face detector. Raises MaskgateError."""
    name = f"{options.name}, member {member}"
    preflight.check_recipe(recipe, name, options.trust)
    return preflight.with_detector(recipe, options, name)


def _describe(training: Training) -> None:
    """Write the run's description before its first member is trained."""
    run = training.run
    first = training.first
    run_folder.describe(
        run, training.options, first, digest=training.digest, table=first.photos.table
    )
    training.system.write(run.system_file, training.recipes)
    (run.path / "members").mkdir(exist_ok=True)


def _conclude(training: Training) -> None:
    """Combine the members; the trackers of the first member also track the ensemble."""
    trackers = next(iter(training.recipes.values())).tracking
    with Tracking(training.run, trackers) as tracking:
        ensemble_run.conclude(training.run, training.system, training.options.cache, tracking)


def _in_main(training: Training | None) -> Training:
    """The training, which only the main process has."""
    assert training is not None
    return training
