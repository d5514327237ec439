"""The results of a search, as its report shows them."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from maskgate.core.progress import say, track
from maskgate.core.score import Score
from maskgate.core.seeding import derive
from maskgate.evaluation import compare, groups, metrics
from maskgate.reports import tune as page
from maskgate.runs import RunFolder
from maskgate.studies import trial as trials
from maskgate.studies.space import Parameter, Range
from maskgate.studies.study import Search

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_STATES: Final[dict[str, page.State]] = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
}
_FEWEST: Final = 4  # complete trials that importances need
_DRAWS: Final = 200  # bootstrap resamples of the trials, for intervals of importances


def summarise(study: "optuna.Study", search: Search, is_final: bool = False) -> page.SearchReport:
    """The study so far; if `is_final`, with importances and paired differences, which are slow."""
    all_trials = study.get_trials(deepcopy=False)
    rows = tuple(_trial_row(trial, search) for trial in all_trials)
    attributes = next(
        (trial.user_attrs for trial in all_trials if "score_of" in trial.user_attrs), {}
    )
    search_report = page.SearchReport(
        recipe=search.recipe,
        data=str(search.options.data),
        changes=tuple(search.changes),
        space=search.space.name,
        keys=tuple(map(_key, search.space.parameters)),
        trials=rows,
        planned=max(search.trials, len(all_trials)),
        score_of=attributes.get("score_of", metrics.ALL_CLASSES),
        people=attributes.get("people"),
        command="",
    )
    best = search_report.best
    if best is None:
        return search_report
    undecided, compared = _undecided(search_report, search) if is_final else (None, 0)
    return replace(
        search_report,
        command=trials.command(search, dict(best.values)),
        importance=importances(study, search) if is_final else None,
        undecided=undecided,
        compared=compared,
    )


def _key(parameter: Parameter) -> page.Key:
    choices = () if isinstance(parameter.values, Range) else parameter.values
    return page.Key(parameter.key, parameter.description, parameter.kind, choices)


def _trial_row(trial: "FrozenTrial", search: Search) -> page.Trial:
    attributes = trial.user_attrs
    repeats = attributes.get("repeats")
    folder = search.trial_folder(trial.number if repeats is None else repeats)
    return page.Trial(
        number=trial.number + 1,
        state=_STATES.get(trial.state.name, "unfinished"),
        values=search.space.of(trial),
        score=metrics.read_score(attributes["score"]) if "score" in attributes else None,
        first_fold=dict(trial.intermediate_values),
        seconds=attributes.get("seconds"),
        reason=attributes.get("reason", ""),
        folder=str(folder.relative_to(search.folder)) if trial.state.name == "COMPLETE" else "",
        repeats=None if repeats is None else repeats + 1,
    )


def _undecided(result: page.SearchReport, search: Search) -> tuple[int | None, int]:
    """How many runs are undecided against the best, by the paired difference, and of how many.

    None if fewer than two are in this folder: those of other machines may be elsewhere.
    """
    ranked = [trial for trial in page.ranked(result) if trial.score is not None]
    paths = [search.folder / trial.folder for trial in ranked if trial.repeats is None]
    paths = [path for path in paths if _is_usable(RunFolder(path))]
    if len(paths) < 2 or result.best is None or search.folder / result.best.folder != paths[0]:
        return None, 0
    verdicts = [each.verdict for each in compare.compare(paths).comparisons]
    return verdicts.count("undecided"), len(verdicts)


def _is_usable(run: RunFolder) -> bool:
    """Whether a trial's run is here and complete; a damaged one is left out with a warning."""
    if not run.status_file.exists():
        return False
    if fault := groups.damage(run):
        say(f"warning: left out, {fault}")
    return fault is None


# --------------------------------------------------------------------------- importances


def importances(study: "optuna.Study", search: Search) -> dict[str, Score] | None:
    """The importance of each key for the best trials (PED-ANOVA, Watanabe et al. 2023).

    With a 95% bootstrap interval over trials. None for too few trials.
    """
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST or len({trial.value for trial in complete}) < 2:
        return None
    keys = [parameter.key for parameter in search.space.parameters]
    random = np.random.default_rng(derive(search.seed, "importance"))
    drawn = []
    for _ in track(range(_DRAWS), "importances", _DRAWS):
        rows = random.integers(len(complete), size=len(complete))
        drawn.append(_importances([complete[row] for row in rows], keys))
    shares = _importances(complete, keys)
    tail = (1 - metrics.LEVEL) / 2
    low, high = np.quantile(np.array(drawn), [tail, 1 - tail], axis=0)
    return {key: Score(shares[k], float(low[k]), float(high[k])) for k, key in enumerate(keys)}


def _importances(complete: "Sequence[FrozenTrial]", keys: list[str]) -> list[float]:
    """The importance of each key (K,) among these trials."""
    import optuna

    memory = optuna.create_study(direction="maximize")
    memory.add_trials(complete)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about resamples with a single value of a key
        importances_by_key = optuna.importance.get_param_importances(memory, params=keys)
    return [importances_by_key.get(key, 0.0) for key in keys]
