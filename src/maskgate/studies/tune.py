"""Hyperparameter search: any number of processes train trials until all are done.

Each trial is a run of its own, on the same folds and with the same seed. A process takes an
interrupted trial, or else a new one, until there is none. Then it waits for the other processes, to
take over if one dies.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maskgate import cluster
from maskgate.cluster import Cluster
from maskgate.core import extras
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.model import heads
from maskgate.reports import tune as page
from maskgate.runs import RunFolder
from maskgate.studies import outcome, space, trial
from maskgate.studies.study import (
    MANIFEST,
    Search,
    address,
    check,
    next_trial,
    open_study,
    prepare_search,
    pruner,
    storage_error,
)
from maskgate.tracking import session
from maskgate.training import distribute

if TYPE_CHECKING:
    import optuna

    from maskgate.studies.leases import Claims

_POLL: Final = 1.0  # seconds between polls of the other processes
_REMIND: Final = 60.0  # seconds between messages while waiting


def plan(search: Search, space_file: Path) -> Search:
    """The search with its space, folds, name and folder, after all checks.

    Raises MaskgateError for a missing extra, untrainable values, or problems of the data.
    """
    _check_extra()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise MaskgateError(
            "a trial is trained by one process: instead of torchrun, start this command several"
            " times with one --storage"
        )
    recipe = search.load([])
    loaded_space = space.load(space_file, recipe)
    for key in (change.partition("=")[0] for change in search.changes):
        if any(space.overlap(key, each.key) for each in loaded_space.parameters):
            raise MaskgateError(
                f"{key}: is set on the command line and searched in {space_file}; remove it from"
                " one of them"
            )
    attributes = heads.attributes(recipe.model.head)
    check(recipe, attributes, search.options.name, search.options.trust)
    space.check(
        loaded_space,
        space_file,
        search.load,
        lambda changed: check(changed, attributes, search.options.name, search.options.trust),
    )
    return prepare_search(replace(search, space=loaded_space))


def check_shared(search: Search) -> None:
    """Raise MaskgateError if the study is stored in a file of one machine."""
    _check_extra()
    if search.storage is None or address(search).get_backend_name() == "sqlite":
        raise MaskgateError(
            "--on needs a database that all nodes reach, and SQLite is a file of one machine; give"
            " --storage postgresql://…"
        )


def _check_extra() -> None:
    with extras.needed_by("a search"):
        import optuna  # noqa: F401
        import sqlalchemy  # noqa: F401


def tune(search: Search, on: Cluster | None = None) -> page.SearchReport:
    """Run all trials of a planned search, together with other processes; the finished search.

    Each is a task on the cluster `on`, if one is given. Raises MaskgateError if every trial
    failed, or if the database or the disk fails.
    """
    if on is not None:
        _run_on_cluster(search, on)
    with _open(search) as (study, claims):
        _run_trials(study, search, claims)
        result = outcome.summarise(study, search, is_final=True)
    page.write(result, search.folder)
    failed = result.of("failed")
    if failed and result.best is None:
        raise MaskgateError(f"all {len(failed)} trials failed; the first: {failed[0].reason}")
    return result


@contextmanager
def _open(search: Search) -> "Iterator[tuple[optuna.Study, Claims]]":
    """The study and this process's claims in it. Raises MaskgateError if its database fails."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    from maskgate.studies.leases import Claims

    study, engine = open_study(search)
    study.pruner = pruner(search)
    try:
        with Claims(engine, search.name, search.folder) as claims:
            yield study, claims
    except (SQLAlchemyError, StorageInternalError) as error:
        raise storage_error(search, error) from error
    finally:
        engine.dispose()


def _run_on_cluster(search: Search, on: Cluster) -> None:
    """Run one task per trial; if a node is lost, this process trains its trial afterwards."""
    check_shared(search)
    with _open(search) as (study, _):  # creates the tables and the folder once
        ended = sum(each.state.is_finished() for each in study.get_trials(deepcopy=False))
        left = range(search.trials - ended)
        for done, _ in enumerate(
            cluster.map_unordered(partial(_run_one_trial, search), left, on), 1
        ):
            say(f"{done} of {len(left)} tasks have ended")
            page.write(outcome.summarise(study, search), search.folder)


def _run_one_trial(search: Search, _: int) -> None:
    """Run the next trial on a node; nothing if all have been started."""
    _check_extra()
    if not (search.folder / MANIFEST).exists():
        raise distribute.folder_not_shared(search.folder, "the study's folder")
    if prepare_search(search).name != search.name:
        raise distribute.data_differ(search.options.data)
    with _open(search) as (study, claims):
        while True:
            if _train_next(study, search, claims):
                return
            if len(study.get_trials(deepcopy=False)) >= search.trials:
                return
            time.sleep(_POLL)


def _train_next(study: "optuna.Study", search: Search, claims: "Claims") -> bool:
    """Run the next trial, a new or an interrupted one; False if there is none."""
    following = next_trial(study, search, claims)
    if following is None:
        return False
    try:
        trial.run(study, following, search, claims)
    finally:
        claims.free(following.number)
    return True


def _run_trials(study: "optuna.Study", search: Search, claims: "Claims") -> None:
    """Run trial after trial until all have ended, here or in other processes."""
    _tidy_up(study, search, claims)
    complete = _complete(study)
    reminded = time.monotonic()
    while True:
        if _train_next(study, search, claims):
            page.write(outcome.summarise(study, search), search.folder)
            continue
        trials = study.get_trials(deepcopy=False)
        running = [str(each.number + 1) for each in trials if not each.state.is_finished()]
        if len(trials) >= search.trials and not running:
            _send(search, complete, claims)
            return
        if time.monotonic() - reminded > _REMIND:
            reminded = time.monotonic()
            say(f"waiting for other processes, which train trials {listed(running)}")
        time.sleep(_POLL)


def _tidy_up(study: "optuna.Study", search: Search, claims: "Claims") -> None:
    """Tidy up trials whose process was killed after the end of the trial."""
    for each in study.get_trials(deepcopy=False):
        if each.state.is_finished() and claims.take(each.number):
            trial.tidy(study, search, each.number)
            claims.free(each.number)


def _complete(study: "optuna.Study") -> list[int]:
    """The trials that have been trained to their end."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [each.number for each in trials if "repeats" not in each.user_attrs]


def _send(search: Search, numbers: Sequence[int], claims: "Claims") -> None:
    """Send trackers what they lack of trials that an earlier command has trained."""
    trackers = search.load([]).tracking
    for number in numbers if trackers else ():
        run = RunFolder(search.trial_folder(number))
        if run.status_file.exists() and claims.take(number):
            try:
                if not session.send(run, trackers):
                    return
            finally:
                claims.free(number)


def closing_text(result: page.SearchReport, folder: Path) -> str:
    """The final output: the best trial, caveats of its score, failed trials, and its command."""
    lines = page.sentences(result)
    lines += [f"trial {each.number} failed: {each.reason}" for each in result.of("failed")]
    if result.command:
        lines.append(f"to train the best again:\n  {result.command}")
    return "\n".join([*lines, str(folder / "tune.html")])
