"""Trains a system: every member as a run of its own, then their answers combined."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock

from maskgate import ensemble, files, labels, metrics, runs
from maskgate.ensemble import Voice
from maskgate.errors import MaskgateError
from maskgate.model import heads
from maskgate.progress import say
from maskgate.recipe import Recipe
from maskgate.reports import run as run_report
from maskgate.runs import Run
from maskgate.system import System
from maskgate.training import beginning, crossval, folder, processes, start
from maskgate.training.prepare import Order, Prepared, prepare


def train(system: System, order: Order) -> Run:
    """Train the members of a system in its folder and score what they say together.

    Finished members are left as they are, an unfinished one is resumed. Raises MaskgateError,
    for a fault of any member before the first is trained.
    """
    recipes = {
        member.name: crossval.resolved(system.recipe_of(member), order) for member in system.members
    }
    with processes.group() as group:

        def on_main(work: Callable[[], Any]) -> Any:
            return processes.on_main(group, work)

        describe: list[Callable[[], None]] = []  # of the main process
        run: Run = on_main(lambda: _begin(system, recipes, order, group.num_processes, describe))
        if on_main(lambda: folder.is_finished(run)):
            if group.is_main_process:
                say(f"{run.path}: this run is finished; to train it anew, remove the folder")
            return run
        lock = FileLock(run.path / ".lock", timeout=0)
        on_main(lambda: folder.take(lock, run))
        try:
            on_main(lambda: describe[0]())
            for number, (name, recipe) in enumerate(recipes.items(), 1):
                if group.is_main_process:
                    say(f"member {number} of {len(recipes)}: {name}")
                crossval.train(recipe, replace(order, name=name, out=run.path / "members" / name))
            on_main(lambda: _conclude(run, system))
        finally:
            lock.release()
    return run


# ------------------------------------------------------------------------ before training


def _begin(
    system: System,
    recipes: dict[str, Recipe],
    order: Order,
    processes: int,
    describe: list[Callable[[], None]],
) -> Run:
    """The folder of the system, after every member has been tried.

    What describes it, once it is locked, is put into `describe`.
    """
    for name, recipe in recipes.items():
        whose = f"{order.name}, member {name}"
        beginning.check_recipe(recipe, whose)
        recipes[name] = beginning.with_detector(recipe, order, whose)
    ensemble.check(system.combine, [heads.knows(r.model.head) for r in recipes.values()])
    first: Prepared | None = None
    digests = {}
    for name, recipe in recipes.items():
        try:
            prepared = prepare(recipe, order)
            beginning.check_data(recipe, prepared, processes)
            _check_alike(_validation(first or prepared), _validation(prepared))
        except MaskgateError as error:
            if first is None:  # what is wrong with the data of all
                raise
            raise MaskgateError(f"member {name}: {error}") from error
        digests[name] = recipe.digest(prepared.digest, *start.contents(recipe))
        first = first or prepared
    assert first is not None
    digest = system.digest(digests)
    run = Run(folder.place(order, digest))

    def written(first: Prepared = first) -> None:
        folder.describe(run, order, first, digest)
        system.write(run.system_file, recipes)
        (run.path / "members").mkdir(exist_ok=True)

    describe.append(written)
    return run


@dataclass(frozen=True)
class _Validation:
    """What a member is validated on: its photo table with `fold`, and what its scores mean."""

    table: pd.DataFrame
    truth: str


def _validation(prepared: Prepared) -> _Validation:
    return _Validation(prepared.photos.table.assign(fold=prepared.fold), prepared.labels.truth)


def _check_alike(first: _Validation, other: _Validation) -> None:
    """Raise MaskgateError where two members would not be validated alike."""
    if other.truth != first.truth:
        raise MaskgateError(
            f"scored against another truth than the first member ({other.truth}; {first.truth});"
            " give all members the same labels.corrections and labels.truth"
        )
    told = ["photo", "person", "fold"]
    rows, wanted = (each.table[told].sort_values("photo").to_numpy() for each in (other, first))
    if rows.shape != wanted.shape or (rows != wanted).any():
        raise MaskgateError(
            "validated on other photos or folds than the first member; remove its folder and"
            " train it anew"
        )


# ---------------------------------------------------------------------------- the results


def _conclude(run: Run, system: System) -> None:
    members = run.members()
    told = [member.status() for member in members]
    results = [member.metrics() for member in members]
    seconds = sum(each["seconds"] for each in told)
    seen = sum(each["seconds"] * each["photos_per_second"] for each in told)
    run.tell(
        warnings=sorted({warning for each in told for warning in each["warnings"]}),
        seconds=round(seconds, 1),
        photos_per_second=round(seen / max(seconds, 1e-9), 1),
    )
    found: dict[str, Any] = {"validated": results[0]["validated"]}
    unvalidated = [each.get("unvalidated_epochs", 0) for each in results]
    if any(unvalidated):
        found["unvalidated_epochs"] = max(unvalidated)
    if found["validated"]:
        found |= _score(run, system, members)
    names = [member.name for member in system.members]
    found["members"] = {
        name: {key: each[key] for key in _TOLD if key in each}
        for name, each in zip(names, results, strict=True)
    }
    found["combine"] = system.combine.name
    files.replace_text(run.metrics_file, json.dumps(found, indent=2) + "\n")
    run_report.write(run)
    run.tell(finished=datetime.now(UTC).isoformat(timespec="seconds"))


_TOLD = ("knows", "score", "score_of", "selection", "unvalidated_epochs")  # of a member


def _score(run: Run, system: System, members: list[Run]) -> dict[str, Any]:
    """Combine the out-of-fold probabilities and score them."""
    table, voices = _voices(system, members)
    combined = ensemble.combine(system.combine, voices).astype(np.float32)
    runs.write_probabilities(run.oof_file, table[["photo", "person", "label", "fold"]], combined)
    best = any(member.metrics()["selection"] == "best" for member in members)
    told = metrics.evaluate(combined, table) | {
        "knows": list(labels.ATTRIBUTES),
        "selection": "best" if best else "last",
    }
    looked = [photos for photos in (member.photos() for member in members) if "faces" in photos]
    if looked:  # of members that look for faces, the first tells
        faces = looked[0].set_index("photo")["faces"].loc[table["photo"]].to_numpy()
        told["faces"] = metrics.by_face(combined, table, faces > 0)
    return told


def _voices(system: System, members: list[Run]) -> tuple[pd.DataFrame, list[Voice]]:
    """The validated photos, and what each member says of them, in the order of the first."""
    found: list[tuple[pd.DataFrame, npt.NDArray[np.float32]]] = [m.oof() for m in members]
    table = found[0][0]
    first = _Validation(table, members[0].status()["truth"])
    voices = []
    for wanted, member, (rows, probabilities) in zip(system.members, members, found, strict=True):
        try:
            _check_alike(first, _Validation(rows, member.status()["truth"]))
        except MaskgateError as error:
            raise MaskgateError(f"{member.path}: {error}") from error
        place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
        knows = heads.knows(member.recipe().model.head)
        voices.append(Voice(probabilities[place], knows, wanted.weight))
    return table, voices
