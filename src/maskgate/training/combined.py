"""The run of several models that answer together: scored, described and reported."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch
from filelock import FileLock

import maskgate
from maskgate import labels, runs
from maskgate.config.system import System
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.evaluation import ensemble, metrics
from maskgate.evaluation.ensemble import FittedEnsemble
from maskgate.reports import run as run_report
from maskgate.runs import Run, tables
from maskgate.runs.records import stored
from maskgate.runs.records.learned import Learned
from maskgate.runs.records.results import Results
from maskgate.training import run_folder

_OF_THE_DATA: Final = {
    "data", "root", "smoke", "truth", "photos", "people", "more", "corrected", "left_out",
    "largest_cluster", "twins",
}  # fmt: skip


def combine(
    system: System,
    out: Path,
    name: str,
    command: str,
    cache: Path | None = None,
    trust: bool = False,
) -> Run:
    """Make a run in the folder `out` of runs that are there; nothing is trained.

    Where a member's photos are looked at anew, its code runs only if the user may `trust` it.
    Raises MaskgateError where they cannot be combined so, or the folder holds something else.
    """
    members = [runs.open_run(str(member.run), trust=trust) for member in system.members]
    found = [
        member.model_copy(update={"run": str(run.path)})
        for member, run in zip(system.members, members, strict=True)
    ]
    system = system.model_copy(update={"members": tuple(found)})
    digests = {
        member.name: run.status().digest
        for member, run in zip(system.members, members, strict=True)
    }
    digest = system.digest(digests)
    ensemble.check(ensemble.open_members(system), EnsembleSpec.from_system(system))
    run = Run(out, trust)
    run_folder.remove_untrained(run)  # of a command that was killed
    run_folder.check(out, digest)
    if run_folder.is_finished(run):
        say(f"{run.path}: this run is finished; to combine anew, remove the folder")
        return run
    with files.new_folder(out):
        lock = FileLock(run.path / ".lock", timeout=0)
        run_folder.acquire(lock, run)
        try:
            about: dict[str, Any] = {
                "recipe": name,
                "digest": digest,
                "command": command,
                "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "members": digests,
                "versions": {"maskgate": maskgate.__version__, "torch": str(torch.__version__)},
            }
            _fill(run, system, members[0], about)
            conclude(run, system, cache)
        except BaseException:
            lock.release()
            run_folder.remove_untrained(run)
            raise
        lock.release()
    return run


def _fill(run: Run, system: System, first: Run, about: dict[str, Any]) -> None:
    """Write what is known of the run before its members are heard; `first` is one of them."""
    status = first.status()
    run.tell(**about, **status.model_dump(include=_OF_THE_DATA, exclude_unset=True))
    _copy(first, first.folds_file, run.folds_file)
    _copy(first, first.photos_file, run.photos_file)
    system.write(run.system_file, {})


def _copy(run: Run, source: Path, target: Path) -> None:
    content = run.files.read(source)
    files.replace(target, lambda beside: beside.write_bytes(content))


def conclude(run: Run, system: System, cache: Path | None = None) -> None:
    """Let the trained members of a system's run answer together, and write what that is worth."""
    members = run.members()
    statuses = [member.status() for member in members]
    results = [member.metrics() for member in members]
    seconds = sum(each.seconds or 0 for each in statuses)
    seen = sum((each.seconds or 0) * (each.photos_per_second or 0) for each in statuses)
    names = [member.name for member in system.members]
    run.tell(
        members={name: each.digest for name, each in zip(names, statuses, strict=True)},
        warnings=sorted({warning for each in statuses for warning in each.warnings}),
        seconds=round(seconds, 1),
        photos_per_second=round(seen / max(seconds, 1e-9), 1),
    )
    found: dict[str, Any] = {"validated": all(each.validated for each in results)}
    unvalidated = [each.unvalidated_epochs for each in results]
    if any(unvalidated):
        found["unvalidated_epochs"] = max(unvalidated)
    answer = ensemble.fit(ensemble.member_runs(run), EnsembleSpec.from_system(system), cache)
    if answer.combination.learned:
        stored.write(run.combination_file, Learned, answer.combination.learned)
    if found["validated"]:
        found |= _score(run, answer, members, results)
    found["members"] = {name: each.as_member() for name, each in zip(names, results, strict=True)}
    for name, member in answer.member_records.items():  # with its own augmentation
        found["members"][name] |= member.model_dump(exclude_unset=True)
    found["steps"] = answer.step_records
    found["combine"] = system.combine.name
    stored.write(run.metrics_file, Results, found)
    run_report.write(run)
    run.end()


def _score(
    run: Run, answer: FittedEnsemble, members: list[Run], results: list[Results]
) -> dict[str, Any]:
    """Keep the out-of-fold probabilities of all together, and score them."""
    table, probabilities = answer.table, answer.steps[-1].probabilities
    assert table is not None
    rows = table[["photo", "person", "label", "fold"]]
    tables.write_probabilities(run.oof_file, rows, probabilities)
    best = any(each.selection == "best" for each in results)
    told = metrics.evaluate(probabilities, table) | {
        "knows": list(labels.ATTRIBUTES),
        "selection": "best" if best else "last",
    }
    looked = [photos for photos in map(tables.photos, members) if "faces" in photos]
    if looked:  # of members that look for faces, the first tells
        faces = looked[0].set_index("photo")["faces"].loc[table["photo"]].to_numpy()
        told["faces"] = metrics.by_face(probabilities, table, faces > 0)
    return told
