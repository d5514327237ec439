"""Runs to compare: read, checked that they can be compared, and grouped by recipe."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.config.recipe import WITHOUT_EFFECT
from maskgate.config.settings import to_integer
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.runs import RunFolder, comparability, is_run, open_run, scan, tables
from maskgate.runs.records.results import Results


@dataclass(frozen=True)
class ScoredRun:
    """A finished, validated run with what a comparison reads; rows in the order of the first run,
    whose own scores are of that order."""

    run: RunFolder
    recipe: dict[str, Any]  # or system, without its seed
    seed: int  # of a system, that of its first member
    truth: str
    results: Results
    table: pd.DataFrame
    probabilities: npt.NDArray[np.float32]  # (N, 18)

    @property
    def selected(self) -> bool:
        """Whether its epoch was selected on the photos it is scored on."""
        return self.results.selection == "best"


@dataclass(frozen=True)
class RunGroup:
    """The runs of one recipe, which differ only in their seed."""

    name: str
    runs: tuple[ScoredRun, ...]

    @property
    def recipe(self) -> dict[str, Any]:
        return self.runs[0].recipe

    @property
    def seeds(self) -> list[int]:
        return [scored_run.seed for scored_run in self.runs]


def read_groups(paths: Sequence[Path]) -> list[RunGroup]:
    """The runs at `paths`, run folders or folders of them, grouped by recipe, in their order.

    Raises MaskgateError where there are fewer than two groups, or where the runs cannot be
    compared: unfinished, smoke or unvalidated ones, other photos, folds or labels.
    """
    run_groups = group_runs([run.path for run in _runs(paths)])
    if len(run_groups) < 2:
        raise MaskgateError(_too_few([run for group in run_groups for run in group.runs]))
    return run_groups


def group_runs(paths: Sequence[Path]) -> list[RunGroup]:
    """As `read_groups`, for run folders alone; there may be a single group."""
    scored_runs = [_read(RunFolder(path)) for path in paths]
    _check_comparable(scored_runs)
    scored_runs = [_in_order_of(scored_runs[0], scored_run) for scored_run in scored_runs]
    by_recipe: dict[str, list[ScoredRun]] = {}
    for scored_run in scored_runs:
        same_recipe = by_recipe.setdefault(recipe_key(scored_run.recipe), [])
        same_seed = next((other for other in same_recipe if other.seed == scored_run.seed), None)
        if same_seed is not None:
            raise MaskgateError(
                f"{scored_run.run.path}: has the recipe and the seed of {same_seed.run.path};"
                " give one of them"
            )
        same_recipe.append(scored_run)
    groups = list(by_recipe.values())
    names = [_name(group) for group in groups]
    counts = Counter(names)
    return [
        RunGroup(name if counts[name] == 1 else str(group[0].run.path), tuple(group))
        for name, group in zip(names, groups, strict=True)
    ]


def _too_few(scored_runs: list[ScoredRun]) -> str:
    if len(scored_runs) == 1:
        return f"{scored_runs[0].run.path}: one run alone; give a run of another recipe as well"
    names = listed([str(scored_run.run.path) for scored_run in scored_runs])
    scores = [each.results.score.value for each in scored_runs if each.results.score is not None]
    return (
        f"{names}: runs of one recipe that differ only in their seed: they score"
        f" {', '.join(f'{score:.4f}' for score in scores)}, a standard deviation of"
        f" {np.std(scores, ddof=1):.4f} between seeds; give a run of another recipe as well, to"
        " compare it with them"
    )


def _name(group: list[ScoredRun]) -> str:
    folders = [scored_run.run.path.resolve().name for scored_run in group]
    return common_name(folders, [scored_run.seed for scored_run in group])


def common_name(names: Sequence[str], seeds: Sequence[int]) -> str:
    """The name of a group of runs by the names of their folders: that of a single run, and of
    several seeds what their names share, else the first's."""
    if len(names) == 1:
        return names[0]
    bare = {
        name.removesuffix(str(seed)).rstrip("-_. ") for name, seed in zip(names, seeds, strict=True)
    }
    return bare.pop() or names[0] if len(bare) == 1 else names[0]


# --------------------------------------------------------------------------------- runs


def _runs(paths: Sequence[Path]) -> list[RunFolder]:
    """The runs at `paths`; a run that is given itself and by its folder appears once."""
    runs: dict[Path, RunFolder] = {}
    places: set[Path] = set()
    for path in paths:
        place = path.resolve()
        single = is_run(path)
        if place in places or (single and place in runs):
            raise MaskgateError(f"{path}: is given twice; give every run once")
        places.add(place)
        inside = [RunFolder(path)] if single else _undamaged(path)
        for run in inside or [open_run(path)]:  # which raises where there is none
            runs.setdefault(run.path.resolve(), run)
    return list(runs.values())


def _undamaged(folder: Path) -> list[RunFolder]:
    """The undamaged runs among the folders in `folder`, with a warning for each damaged one. Raises
    MaskgateError where all are damaged."""
    checked = [(run, error or damage(run)) for run, error in scan(folder)]
    errors = [error for _, error in checked if error is not None]
    if errors and len(errors) == len(checked):
        raise errors[0]
    for error in errors:
        say(f"warning: left out, {error}")
    return [run for run, error in checked if error is None]


def damage(run: RunFolder) -> MaskgateError | None:
    """The error in the files of a run that a comparison reads; None where there is none."""
    try:
        run.check()
        if run.files.is_finished and run.metrics().validated:
            run.settings()
            tables.oof(run)
    except MaskgateError as error:
        return error
    return None


def _read(run: RunFolder) -> ScoredRun:
    status = run.status()
    if status.finished is None:
        raise MaskgateError(
            f"{run.path}: the run is unfinished; repeat the command that began it, or give only"
            " the others"
        )
    if status.smoke:
        raise MaskgateError(
            f"{run.path}: a smoke run, whose scores mean nothing; train it without --smoke"
        )
    run.check()
    results = run.metrics()
    if not results.validated:
        raise MaskgateError(
            f"{run.path}: trained on all photos, so there is no validation score to compare; give"
            " a run of the recipe with folds.kind: kfold or holdout"
        )
    recipe, seed = without_seed(run.settings())
    table, probabilities = tables.oof(run)
    return ScoredRun(
        run=run,
        recipe=recipe,
        seed=seed,
        truth=status.truth,
        results=results,
        table=table,
        probabilities=probabilities,
    )


def _in_order_of(first: ScoredRun, other: ScoredRun) -> ScoredRun:
    """The other run with its photos in the order of the first, which validates the same photos."""
    order = pd.Index(other.table["photo"]).get_indexer(pd.Index(first.table["photo"]))
    return replace(
        other,
        table=other.table.iloc[order].reset_index(drop=True),
        probabilities=other.probabilities[order],
    )


def without_seed(settings: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The settings of a recipe or a system without their seed and without keys that change no
    result, and that seed.

    Members of a system keep the difference of their seed from the first member's, which belongs to
    the system.
    """
    members = settings.get("members")
    if members is None:
        left_out = WITHOUT_EFFECT | {"seed"}
        kept = {key: value for key, value in settings.items() if key not in left_out}
        return kept, settings["seed"]
    bare = {name: without_seed(keys) for name, keys in members.items()}
    seed = next(iter(bare.values()))[1]
    relative = {
        name: keys | {"seed": member_seed - seed} for name, (keys, member_seed) in bare.items()
    }
    return settings | {"members": relative}, seed


def recipe_key(recipe: dict[str, Any]) -> str:
    """The same text for settings of the same values, whether a number was typed 10 or 10.0."""
    return json.dumps(_with_whole_numbers(recipe), sort_keys=True)


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_whole_numbers(each) for each in value]
    return to_integer(value)


# --------------------------------------------------------------- whether they compare


def _check_comparable(scored_runs: list[ScoredRun]) -> None:
    """Raise MaskgateError where one has other validation photos, labels or another main score."""
    first, first_set = scored_runs[0], comparability.validation_set(scored_runs[0].run)
    first_photos = _photos_digest(first)
    for other in scored_runs[1:]:
        if first_photos is None or _photos_digest(other) != first_photos:
            comparability.check(first_set, comparability.validation_set(other.run))
        if other.results.score_of != first.results.score_of:
            raise MaskgateError(
                f"{other.run.path}: has another score than {first.run.path}"
                f" ({other.results.score_of}; {first.results.score_of}); give runs with the same"
                " score"
            )


def _photos_digest(scored_run: ScoredRun) -> tuple[str, str] | None:
    """The checksum of its photo table, which has been read, and its truth; None for a run of an
    older version, which has no list of files."""
    listed = scored_run.run.files.listed()
    if listed is None:
        return None
    return listed[scored_run.run.photos_file.name].sha256, scored_run.truth
