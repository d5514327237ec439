"""The run of a system: ensembles the members' runs, scores the ensemble and writes the report."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from filelock import FileLock

import maskgate
from maskgate import labels, runs
from maskgate.config.system import System
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.evaluation import ensemble, metrics, slices
from maskgate.evaluation.ensemble import FittedEnsemble
from maskgate.runs import RunFolder, tables
from maskgate.runs.records import stored
from maskgate.runs.records.learned import Learned
from maskgate.runs.records.results import Results
from maskgate.tracking.session import Tracking
from maskgate.training import run_folder, scoring

_DATA_KEYS: Final = {
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
) -> RunFolder:
    """Ensemble finished runs into a new run in the folder `out`; nothing is trained.

    If a member has to predict photos again, its code runs only with `trust`. Raises MaskgateError
    if the runs cannot be combined this way, or the folder has other content.
    """
    members = [runs.open_run(str(member.run), trust=trust) for member in system.members]
    with_runs = [
        member.model_copy(update={"run": str(run.path)})
        for member, run in zip(system.members, members, strict=True)
    ]
    system = system.model_copy(update={"members": tuple(with_runs)})
    digests = {
        member.name: run.status().digest
        for member, run in zip(system.members, members, strict=True)
    }
    digest = system.digest(digests)
    ensemble.check(ensemble.open_members(system), EnsembleSpec.from_system(system))
    run = RunFolder(out, trust)
    run_folder.remove_untrained(run)  # left by a command that was killed
    run_folder.check(out, digest)
    if run_folder.is_finished(run):
        say(f"{run.path}: this run is finished; to combine again, remove the folder")
        return run
    with files.new_folder(out):
        lock = FileLock(run.path / ".lock", timeout=0)
        run_folder.acquire(lock, run)
        try:
            settings: dict[str, Any] = {
                "recipe": name,
                "digest": digest,
                "command": command,
                "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "members": digests,
                "versions": {"maskgate": maskgate.__version__, "torch": str(torch.__version__)},
            }
            _describe(run, system, members[0], settings)
            conclude(run, system, cache)
        except BaseException:
            lock.release()
            run_folder.remove_untrained(run)
            raise
        lock.release()
    return run


def _describe(run: RunFolder, system: System, first: RunFolder, settings: dict[str, Any]) -> None:
    """Write the run's description before its members are combined; `first` is one of them."""
    status = first.status()
    run.update_status(**settings, **status.model_dump(include=_DATA_KEYS, exclude_unset=True))
    _copy(first, first.folds_file, run.folds_file)
    _copy(first, first.photos_file, run.photos_file)
    system.write(run.system_file, {})


def _copy(run: RunFolder, source: Path, target: Path) -> None:
    content = run.files.read(source)
    files.replace(target, lambda part: part.write_bytes(content))


def conclude(
    run: RunFolder, system: System, cache: Path | None = None, tracking: Tracking | None = None
) -> None:
    """Combine the trained members of a system's run, write combination, scores and report, and send
    them to trackers."""
    members = run.members()
    statuses = [member.status() for member in members]
    results = [member.metrics() for member in members]
    seconds = sum(member.seconds or 0 for member in statuses)
    photos = sum((member.seconds or 0) * (member.photos_per_second or 0) for member in statuses)
    names = [member.name for member in system.members]
    run.update_status(
        members={name: member.digest for name, member in zip(names, statuses, strict=True)},
        warnings=sorted({warning for member in statuses for warning in member.warnings}),
        seconds=round(seconds, 1),
        photos_per_second=round(photos / max(seconds, 1e-9), 1),
    )
    record: dict[str, Any] = {"validated": all(member.validated for member in results)}
    unvalidated = [member.unvalidated_epochs for member in results]
    if any(unvalidated):
        record["unvalidated_epochs"] = max(unvalidated)
    fitted = ensemble.fit(ensemble.member_runs(run), EnsembleSpec.from_system(system), cache)
    if fitted.combination.learned:
        stored.write(run.combination_file, Learned, fitted.combination.learned)
    if record["validated"]:
        record |= _score(run, fitted, members, results)
    record["members"] = {
        name: member.as_member() for name, member in zip(names, results, strict=True)
    }
    for name, member in fitted.member_records.items():  # with the member's own augmentation
        record["members"][name] |= member.model_dump(exclude_unset=True)
    record["steps"] = fitted.step_records
    record["combine"] = system.combine.name
    stored.write(run.metrics_file, Results, record)
    scoring.finish(run, tracking)


def _score(
    run: RunFolder, fitted: FittedEnsemble, members: list[RunFolder], results: list[Results]
) -> dict[str, Any]:
    """Write the ensemble's out-of-fold probabilities, and score them."""
    table, probabilities = fitted.table, fitted.steps[-1].probabilities
    assert table is not None
    rows = table[["photo", "person", "label", "fold"]]
    tables.write_probabilities(run.oof_file, rows, probabilities)
    best = any(each.selection == "best" for each in results)
    scores = metrics.evaluate(probabilities, table) | {
        "knows": list(labels.ATTRIBUTES),
        "selection": "best" if best else "last",
    }
    photos = _photos(members).set_index("photo").loc[table["photo"]].reset_index()
    if "faces" in photos:
        has_face = photos["faces"].to_numpy() > 0
        scores["faces"] = metrics.by_face(probabilities, table, has_face)
    return scores | {"slices": slices.scores(probabilities, photos)}


def _photos(members: list[RunFolder]) -> pd.DataFrame:
    """The photo table of the first member that detects faces, else of the first."""
    all_photos = [tables.photos(member) for member in members]
    return next((photos for photos in all_photos if "faces" in photos), all_photos[0])
