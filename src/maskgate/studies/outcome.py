"""What a study has found, as its page tells it."""

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
from maskgate.runs import Run
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
_FEWEST: Final = 4  # complete trials for an importance to be anything
_DRAWS: Final = 200  # of trials, for the interval of an importance


def found(study: "optuna.Study", search: Search, whole: bool = False) -> page.Search:
    """The study as it stands; `whole` with what takes a while: importances, paired differences."""
    told = study.get_trials(deepcopy=False)
    shown = tuple(_shown(trial, search) for trial in told)
    scored = next((trial.user_attrs for trial in told if "score_of" in trial.user_attrs), {})
    result = page.Search(
        recipe=search.recipe,
        data=str(search.options.data),
        changes=tuple(search.changes),
        space=search.space.name,
        keys=tuple(map(_key, search.space.parameters)),
        trials=shown,
        wanted=max(search.trials, len(told)),
        score_of=scored.get("score_of", metrics.ALL_CLASSES),
        people=scored.get("people"),
        command="",
    )
    best = result.best
    if best is None:
        return result
    alike, compared = _alike(result, search) if whole else (None, 0)
    return replace(
        result,
        command=trials.command(search, dict(best.values)),
        importance=importances(study, search) if whole else None,
        alike=alike,
        compared=compared,
    )


def _key(parameter: Parameter) -> page.Key:
    choices = () if isinstance(parameter.values, Range) else parameter.values
    return page.Key(parameter.key, parameter.told, parameter.kind, choices)


def _shown(trial: "FrozenTrial", search: Search) -> page.Trial:
    told = trial.user_attrs
    repeats = told.get("repeats")
    folder = search.trial_folder(trial.number if repeats is None else repeats)
    return page.Trial(
        number=trial.number + 1,
        state=_STATES.get(trial.state.name, "unfinished"),
        values=search.space.of(trial),
        score=metrics.read_score(told["score"]) if "score" in told else None,
        first_fold=dict(trial.intermediate_values),
        seconds=told.get("seconds"),
        reason=told.get("reason", ""),
        folder=str(folder.relative_to(search.folder)) if trial.state.name == "COMPLETE" else "",
        repeats=None if repeats is None else repeats + 1,
    )


def _alike(result: page.Search, search: Search) -> tuple[int | None, int]:
    """How many runs the paired difference does not tell from the best, and of how many.

    None where fewer than two lie in this folder: other machines may keep theirs elsewhere.
    """
    ranked = [trial for trial in page.ranked(result) if trial.score is not None]
    paths = [search.folder / trial.folder for trial in ranked if trial.repeats is None]
    paths = [path for path in paths if _is_usable(Run(path))]
    if len(paths) < 2 or result.best is None or search.folder / result.best.folder != paths[0]:
        return None, 0
    verdicts = [each.verdict for each in compare.compare(paths).comparisons]
    return verdicts.count("undecided"), len(verdicts)


def _is_usable(run: Run) -> bool:
    """Whether a trial's run lies here, and is whole: a damaged one is told of, and left out."""
    if not run.status_file.exists():
        return False
    if fault := groups.damage(run):
        say(f"warning: left out, {fault}")
    return fault is None


# --------------------------------------------------------------------------- importances


def importances(study: "optuna.Study", search: Search) -> dict[str, Score] | None:
    """By key its share in what makes the best trials (PED-ANOVA, Watanabe et al. 2023).

    With the 95% interval over trials drawn with replacement. None for too few trials.
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
    here = _importances(complete, keys)
    tail = (1 - metrics.LEVEL) / 2
    low, high = np.quantile(np.array(drawn), [tail, 1 - tail], axis=0)
    return {key: Score(here[k], float(low[k]), float(high[k])) for k, key in enumerate(keys)}


def _importances(complete: "Sequence[FrozenTrial]", keys: list[str]) -> list[float]:
    """The share of each key (K,) among these trials."""
    import optuna

    memory = optuna.create_study(direction="maximize")
    memory.add_trials(complete)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of draws that hold one value of a key only
        told = optuna.importance.get_param_importances(memory, params=keys)
    return [told.get(key, 0.0) for key in keys]
