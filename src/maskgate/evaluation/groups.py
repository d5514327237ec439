"""Runs to compare: found, refused where they cannot be compared, and grouped by recipe."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.runs import Run, comparability, is_run, open_run, scan, tables
from maskgate.runs.records.results import Results


@dataclass(frozen=True)
class Entry:
    """A finished, validated run as a comparison needs it; its rows in the order of `photo`."""

    run: Run
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
class Side:
    """The runs of one recipe, which differ by their seed only."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def recipe(self) -> dict[str, Any]:
        return self.entries[0].recipe

    @property
    def seeds(self) -> list[int]:
        return [entry.seed for entry in self.entries]


def gather(paths: Sequence[Path]) -> list[Side]:
    """The sides among the runs at `paths`, each a run folder or a folder of them, in their order.

    Raises MaskgateError where fewer than two sides are there, or where the runs cannot be
    compared: unfinished, smoke or unvalidated ones, other photos, folds or labels.
    """
    entries = [_read(run) for run in _found(paths)]
    _check_alike(entries)
    groups: list[list[Entry]] = []
    for entry in entries:
        own = next((group for group in groups if group[0].recipe == entry.recipe), None)
        if own is None:
            groups.append([entry])
            continue
        twin = next((other for other in own if other.seed == entry.seed), None)
        if twin is not None:
            raise MaskgateError(
                f"{entry.run.path}: has the recipe and the seed of {twin.run.path}, and tells"
                " nothing new; give one of them"
            )
        own.append(entry)
    if len(groups) < 2:
        raise MaskgateError(_too_few(entries))
    names = [_name(group) for group in groups]
    called = Counter(names)
    return [
        Side(name if called[name] == 1 else str(group[0].run.path), tuple(group))
        for name, group in zip(names, groups, strict=True)
    ]


def _too_few(entries: list[Entry]) -> str:
    if len(entries) == 1:
        return f"{entries[0].run.path}: one run alone; give a run of another recipe as well"
    names = listed([str(entry.run.path) for entry in entries])
    return (
        f"{names}: the same recipe, with other seeds only; they tell how far chance moves a score,"
        " and there is nothing to compare them with: give a run of another recipe as well"
    )


def _name(group: list[Entry]) -> str:
    """The run's folder; for several seeds what their folders share, or else the first one's."""
    folders = [entry.run.path.resolve().name for entry in group]
    if len(group) == 1:
        return folders[0]
    bare = {
        folder.removesuffix(str(entry.seed)).rstrip("-_. ")
        for folder, entry in zip(folders, group, strict=True)
    }
    return bare.pop() or folders[0] if len(bare) == 1 else folders[0]


# --------------------------------------------------------------------------------- runs


def _found(paths: Sequence[Path]) -> list[Run]:
    """The runs at `paths`; one named before is not repeated where its folder is given, too."""
    found: dict[Path, Run] = {}
    given: set[Path] = set()
    for path in paths:
        place = path.resolve()
        single = is_run(path)
        if place in given or (single and place in found):
            raise MaskgateError(f"{path}: is given twice; give every run once")
        given.add(place)
        inside = [Run(path)] if single else _undamaged(path)
        for run in inside or [open_run(path)]:  # which tells that there is none
            found.setdefault(run.path.resolve(), run)
    return list(found.values())


def _undamaged(folder: Path) -> list[Run]:
    """The runs among the folders in `folder` but those that are damaged, each with a warning.
    Raises the fault where all are."""
    every = [(run, fault or damage(run)) for run, fault in scan(folder)]
    faults = [fault for _, fault in every if fault is not None]
    if faults and len(faults) == len(every):
        raise faults[0]
    for fault in faults:
        say(f"warning: left out, {fault}")
    return [run for run, fault in every if fault is None]


def damage(run: Run) -> MaskgateError | None:
    """What is wrong with the files of a run that a comparison reads; None where they are whole."""
    try:
        run.check()
        if run.files.is_finished and run.metrics().validated:
            run.settings()
            tables.oof(run)
    except MaskgateError as error:
        return error
    return None


def _read(run: Run) -> Entry:
    status = run.status()
    if status.finished is None:
        raise MaskgateError(
            f"{run.path}: the run is unfinished; repeat the command that began it, or name the"
            " others alone"
        )
    if status.smoke:
        raise MaskgateError(
            f"{run.path}: a smoke run, whose scores mean nothing; train it without --smoke"
        )
    run.check()
    results = run.metrics()
    if not results.validated:
        raise MaskgateError(
            f"{run.path}: trained on all photos, so that there is no validation to compare; give"
            " a run of the recipe with folds.kind: kfold or holdout"
        )
    recipe, seed = _without_seed(run.settings())
    table, probabilities = tables.oof(run)
    order = np.argsort(table["photo"].to_numpy(str), kind="stable")
    return Entry(
        run=run,
        recipe=recipe,
        seed=seed,
        truth=status.truth,
        results=results,
        table=table.iloc[order].reset_index(drop=True),
        probabilities=probabilities[order],
    )


def _without_seed(settings: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The settings of a recipe or a system without their seed, and that seed.

    The members of a system keep how far their seeds lie from the first one's: whether they are
    the same belongs to the system.
    """
    members = settings.get("members")
    if members is None:
        return {key: value for key, value in settings.items() if key != "seed"}, settings["seed"]
    bare = {name: _without_seed(keys) for name, keys in members.items()}
    seed = next(iter(bare.values()))[1]
    apart = {name: keys | {"seed": own - seed} for name, (keys, own) in bare.items()}
    return settings | {"members": apart}, seed


# ------------------------------------------------------------------- what must be alike


def _check_alike(entries: list[Entry]) -> None:
    """Raise MaskgateError where not all were validated, or not judged, as the first was."""
    first, validated = entries[0], comparability.validation_set(entries[0].run)
    for other in entries[1:]:
        comparability.check(validated, comparability.validation_set(other.run))
        if other.results.score_of != first.results.score_of:
            raise MaskgateError(
                f"{other.run.path}: judged by another score than {first.run.path}"
                f" ({other.results.score_of}; {first.results.score_of}); give runs judged by"
                " one"
            )
