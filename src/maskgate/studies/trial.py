"""One trial of a search: a run with values of its own, and what is left of it in the study."""

import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from maskgate.config.recipe import Recipe
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import DiskError, MaskgateError
from maskgate.runs import Run
from maskgate.runs.records import contents, tables
from maskgate.studies.study import Search
from maskgate.training import checkpoint, crossval
from maskgate.training.callbacks import Callbacks, Row

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

    from maskgate.studies.leases import Claims


class _LostError(Exception):
    """The trial is another process's by now: this one was not heard of for too long."""


def run(study: "optuna.Study", trial: "Trial", search: Search, claims: "Claims") -> None:
    """Train a trial, from its checkpoint where it was cut off, and tell the study how it ended.

    Raises MaskgateError where the fault is not the trial's: a full disk, a folder in use.
    """
    from optuna.exceptions import TrialPruned
    from optuna.trial import TrialState

    number, values = trial.number, search.space.suggest(trial)
    changes = overrides(values)
    say(f"trial {number + 1} of {search.trials}: {', '.join(changes)}")
    twin = _twin(study, number, values, search)
    if twin is not None:
        _repeat(study, trial, twin)
        return
    folder = search.trial_folder(number)
    options = replace(
        search.options,
        out=folder,
        command=command(search, values, folder),
    )
    try:
        recipe = search.load(changes)
        watch = _watch(study, trial, search, claims=claims, recipe=recipe)
        _replay(folder, watch)
        options = replace(options, callbacks=(*options.callbacks, Callbacks(on_epoch_end=watch)))
        results = crossval.train(recipe, options).metrics()
    except _LostError:
        say(f"trial {number + 1}: taken over by another process; going on with the next")
        return
    except TrialPruned as pruned:
        trial.set_user_attr("reason", str(pruned))
        say(f"trial {number + 1}: pruned, {pruned}")
        _tell(study, number, claims, state=TrialState.PRUNED)
    except DiskError:
        raise
    except MaskgateError as error:
        trial.set_user_attr("reason", str(error))
        say(f"trial {number + 1}: failed: {error}")
        _keep_recipe(search, number, changes)
        _tell(study, number, claims, state=TrialState.FAIL)
    else:
        assert results.score is not None  # a search validates
        trial.set_user_attr("score", results.score.model_dump())
        trial.set_user_attr("score_of", results.score_of)
        trial.set_user_attr("people", results.people)
        trial.set_user_attr("seconds", Run(folder).status().seconds)
        _tell(study, number, claims, values=results.score.value)
    tidy(study, search, number)


def _keep_recipe(search: Search, number: int, changes: list[str]) -> None:
    """Leave its recipe of a trial that failed before there was anything else to keep."""
    run = Run(search.trial_folder(number))
    if run.path.exists():
        return
    try:
        recipe = search.load(changes)
    except MaskgateError:  # which is why it failed
        return
    run.path.mkdir(parents=True)
    recipe.write(run.recipe_file)


def overrides(values: dict[str, str]) -> list[str]:
    """The values of a trial as changes of its recipe."""
    return [f"{key}={value}" for key, value in values.items()]


def command(search: Search, values: dict[str, str], out: Path | None = None) -> str:
    """The command that trains a recipe with these values."""
    words = ["maskgate", "train", search.recipe, str(search.options.data)]
    words += [*search.changes, *overrides(values)]
    return shlex.join([*words, *(["--out", str(out)] if out is not None else [])])


def _tell(study: "optuna.Study", number: int, claims: "Claims", **outcome: Any) -> None:
    if claims.holds(number):
        study.tell(number, skip_if_finished=True, **outcome)


# ------------------------------------------------------------------------------- pruning


def _watch(
    study: "optuna.Study", trial: "Trial", search: Search, claims: "Claims", recipe: Recipe
) -> Callable[[Row], None]:
    """Called at the end of each epoch: reports the first fold's scores, ends what does badly."""
    from optuna.exceptions import TrialPruned

    def on_epoch_end(row: Row) -> None:
        if not claims.holds(trial.number):
            raise _LostError
        if row["fold"] != search.folds[0] or "valid_score" not in row:
            return
        told = study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if row["epoch"] not in told:
            trial.report(row["valid_score"], row["epoch"])
        is_over = len(search.folds) == 1 and row["epoch"] == recipe.training.epochs
        if not is_over and trial.should_prune():
            best = max([*told.values(), row["valid_score"]])
            raise TrialPruned(
                f"the best score of the first fold was {best:.4f} by epoch {row['epoch']}, under"
                " the median of the complete trials"
            )

    return on_epoch_end


def _replay(folder: Path, on_epoch_end: Callable[[Row], None]) -> None:
    """Tell of the epochs that are behind a trial that was cut off: it may have been just before
    they were told."""
    found = sorted(folder.glob("fold-*/checkpoint.pt"))
    for row in _rows(found[0]) if found else []:
        on_epoch_end(row)


def _rows(path: Path) -> list[Row]:
    """The history in a checkpoint."""
    state = checkpoint.load(path)
    if state is None:
        return []
    try:
        return [dict(row) for row in state["position"]["history"]]
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint.damaged(path, "no history") from error


# ------------------------------------------------------------------------------- repeats


def _twin(
    study: "optuna.Study", number: int, values: dict[str, str], search: Search
) -> "FrozenTrial | None":
    """The first trial with the same values, if it has ended: training it again tells nothing."""
    for other in study.get_trials(deepcopy=False)[:number]:
        same = other.state.is_finished() and search.space.of(other) == values
        if same and "repeats" not in other.user_attrs:
            return other
    return None


def _repeat(study: "optuna.Study", trial: "Trial", twin: "FrozenTrial") -> None:
    """End a trial as its twin ended."""
    from optuna.trial import TrialState

    for key, told in twin.user_attrs.items():
        trial.set_user_attr(key, told)
    trial.set_user_attr("repeats", twin.number)
    say(f"trial {trial.number + 1}: the values of trial {twin.number + 1} again, not trained twice")
    if twin.state == TrialState.COMPLETE:
        study.tell(trial.number, twin.value)
    else:
        study.tell(trial.number, state=twin.state)


# ---------------------------------------------------------------------------------- files


def tidy(study: "optuna.Study", search: Search, number: int) -> None:
    """Leave of a pruned or failed trial its recipe and its history: it is no run any more."""
    from optuna.trial import TrialState

    run = Run(search.trial_folder(number))
    state = study.get_trials(deepcopy=False)[number].state
    if state not in (TrialState.PRUNED, TrialState.FAIL) or not run.path.is_dir():
        return
    run.status_file.unlink(missing_ok=True)
    folds = sorted(run.path.glob("fold-*"))
    rows = [row for fold in folds for row in _history(fold)]
    if rows:
        history = pd.DataFrame(rows)
        files.replace(run.history_file, lambda beside: history.to_csv(beside, index=False))
    for path in run.path.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in (run.recipe_file, run.history_file):
            path.unlink(missing_ok=True)


def _history(fold: Path) -> list[Any]:
    """A fold's history, of its end or of its checkpoint."""
    path = fold / "history.csv"
    if path.exists():
        return tables.history(contents.read(path, None), path).to_dict("records")
    return _rows(fold / "checkpoint.pt")
