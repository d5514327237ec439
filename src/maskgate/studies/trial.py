"""One trial of a search: its run, and its record in the study."""

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
from maskgate.runs import RunFolder
from maskgate.runs.records import contents, tables
from maskgate.studies.study import Search
from maskgate.training import checkpoint, crossval
from maskgate.training.callbacks import Callbacks, Row

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

    from maskgate.studies.leases import Claims


class _LostError(Exception):
    """Another process took over the trial, as this one did not beat for too long."""


def run(study: "optuna.Study", trial: "Trial", search: Search, claims: "Claims") -> None:
    """Train a trial, resumed from its checkpoint if there is one, and record its result.

    Raises MaskgateError for an error that is not the trial's: a full disk, a folder in use.
    """
    from optuna.exceptions import TrialPruned
    from optuna.trial import TrialState

    number, values = trial.number, search.space.suggest(trial)
    changes = overrides(values)
    say(f"trial {number + 1} of {search.trials}: {', '.join(changes)}")
    earlier = _earlier_trial(study, number, values, search)
    if earlier is not None:
        _repeat(study, trial, earlier)
        return
    folder = search.trial_folder(number)
    options = replace(
        search.options,
        out=folder,
        command=command(search, values, folder),
    )
    try:
        recipe = search.load(changes)
        on_epoch_end = _epoch_callback(study, trial, search, claims=claims, recipe=recipe)
        _replay(folder, on_epoch_end)
        options = replace(
            options, callbacks=(*options.callbacks, Callbacks(on_epoch_end=on_epoch_end))
        )
        results = crossval.train(recipe, options).metrics()
    except _LostError:
        say(f"trial {number + 1}: taken over by another process; going on with the next")
        return
    except TrialPruned as pruned:
        trial.set_user_attr("reason", str(pruned))
        say(f"trial {number + 1}: pruned, {pruned}")
        _finish_trial(study, number, claims, state=TrialState.PRUNED)
    except DiskError:
        raise
    except MaskgateError as error:
        trial.set_user_attr("reason", str(error))
        say(f"trial {number + 1}: failed: {error}")
        _keep_recipe(search, number, changes)
        _finish_trial(study, number, claims, state=TrialState.FAIL)
    else:
        assert results.score is not None  # a search validates
        trial.set_user_attr("score", results.score.model_dump())
        trial.set_user_attr("score_of", results.score_of)
        trial.set_user_attr("people", results.people)
        trial.set_user_attr("seconds", RunFolder(folder).status().seconds)
        _finish_trial(study, number, claims, values=results.score.value)
    tidy(study, search, number)


def _keep_recipe(search: Search, number: int, changes: list[str]) -> None:
    """Write the recipe of a trial that failed before its run folder existed."""
    run = RunFolder(search.trial_folder(number))
    if run.path.exists():
        return
    try:
        recipe = search.load(changes)
    except MaskgateError:  # the reason for the failure
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


def _finish_trial(study: "optuna.Study", number: int, claims: "Claims", **outcome: Any) -> None:
    if claims.holds(number):
        study.tell(number, skip_if_finished=True, **outcome)


# ------------------------------------------------------------------------------- pruning


def _epoch_callback(
    study: "optuna.Study", trial: "Trial", search: Search, claims: "Claims", recipe: Recipe
) -> Callable[[Row], None]:
    """A callback at the end of each epoch: reports the first fold's score, and may prune."""
    from optuna.exceptions import TrialPruned

    def on_epoch_end(row: Row) -> None:
        if not claims.holds(trial.number):
            raise _LostError
        if row["fold"] != search.folds[0] or "valid_score" not in row:
            return
        scores = study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if row["epoch"] not in scores:
            trial.report(row["valid_score"], row["epoch"])
        is_over = len(search.folds) == 1 and row["epoch"] == recipe.training.epochs
        if not is_over and trial.should_prune():
            best = max([*scores.values(), row["valid_score"]])
            raise TrialPruned(
                f"the best score of the first fold was {best:.4f} by epoch {row['epoch']}, below"
                " the median of the complete trials"
            )

    return on_epoch_end


def _replay(folder: Path, on_epoch_end: Callable[[Row], None]) -> None:
    """Report the finished epochs of an interrupted trial again: the last may not be recorded."""
    checkpoints = sorted(folder.glob("fold-*/checkpoint.pt"))
    for row in _rows(checkpoints[0]) if checkpoints else []:
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


def _earlier_trial(
    study: "optuna.Study", number: int, values: dict[str, str], search: Search
) -> "FrozenTrial | None":
    """The first ended trial with the same values, which need not be trained again."""
    for other in study.get_trials(deepcopy=False)[:number]:
        has_same_values = other.state.is_finished() and search.space.of(other) == values
        if has_same_values and "repeats" not in other.user_attrs:
            return other
    return None


def _repeat(study: "optuna.Study", trial: "Trial", earlier: "FrozenTrial") -> None:
    """Give a trial the result of an earlier one with the same values."""
    from optuna.trial import TrialState

    for key, attribute in earlier.user_attrs.items():
        trial.set_user_attr(key, attribute)
    trial.set_user_attr("repeats", earlier.number)
    say(f"trial {trial.number + 1}: same values as trial {earlier.number + 1}, not trained again")
    if earlier.state == TrialState.COMPLETE:
        study.tell(trial.number, earlier.value)
    else:
        study.tell(trial.number, state=earlier.state)


# ---------------------------------------------------------------------------------- files


def tidy(study: "optuna.Study", search: Search, number: int) -> None:
    """Reduce the folder of a pruned or failed trial to its recipe and its history."""
    from optuna.trial import TrialState

    run = RunFolder(search.trial_folder(number))
    state = study.get_trials(deepcopy=False)[number].state
    if state not in (TrialState.PRUNED, TrialState.FAIL) or not run.path.is_dir():
        return
    run.status_file.unlink(missing_ok=True)
    folds = sorted(run.path.glob("fold-*"))
    rows = [row for fold in folds for row in _history(fold)]
    if rows:
        history = pd.DataFrame(rows)
        files.replace(run.history_file, lambda target: history.to_csv(target, index=False))
    for path in run.path.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in (run.recipe_file, run.history_file):
            path.unlink(missing_ok=True)


def _history(fold: Path) -> list[Any]:
    """A fold's history, from its file or from its checkpoint."""
    path = fold / "history.csv"
    if path.exists():
        return tables.history(contents.read(path, None), path).to_dict("records")
    return _rows(fold / "checkpoint.pt")
