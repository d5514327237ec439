"""The folder a run is trained into: found or made, locked, and described before the first fold."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from filelock import FileLock, Timeout

import maskgate
from maskgate.config.recipe import Recipe
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.data import folds
from maskgate.errors import MaskgateError, disk_error
from maskgate.runs import Run
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData

# What a run's folder may hold without anything trained, and what it takes hours to make again.
_UNTRAINED: Final = (
    "run.json", "recipe.yaml", "system.yaml", "folds.csv", "photos.parquet", "more.parquet",
    "thumbnails.parquet", "detector",
    "recipes", "members", "fold-*", ".lock", ".*.part", "combination.json", "oof*.parquet",
    "metrics.json", "mistakes.csv", "report.html",
)  # fmt: skip
_TRAINED: Final = ("checkpoint.pt", "fold.json", "pseudo.parquet")


def place(options: TrainOptions, digest: str) -> Path:
    """The folder to train into, made where it is new. Raises MaskgateError for another run's."""
    smoke = "-smoke" if options.smoke else ""
    path = options.out or options.runs / f"{options.name}{smoke}-{digest}"
    run = Run(path)
    if options.smoke and run.status_file.exists() and run.status().smoke:
        shutil.rmtree(path)
    return create(path, digest)


def create(path: Path, digest: str) -> Path:
    """The folder of a run at `path`. Raises MaskgateError where it holds something else.

    Another run that was begun there and has nothing to go on with gives way.
    """
    run = Run(path)
    if run.status_file.exists() and run.status().digest != digest:
        remove_untrained(run)
    check(path, digest)
    path.mkdir(parents=True, exist_ok=True)
    return path


def check(path: Path, digest: str) -> None:
    """Raise MaskgateError where `path` cannot become the folder of the run of that digest."""
    files.check_name(path)
    run = Run(path)
    # Who has made the folder may be a stranger, and what is written through a link lands elsewhere.
    folders = (*path.glob("fold-*"), path / "members", run.detector_folder)
    if linked := [each for each in folders if each.is_symlink()]:
        raise MaskgateError(f"{linked[0]}: is a link; give another --out, or put the folder there")
    if run.status_file.exists():
        status = run.status()
        if status.digest != digest:
            raise MaskgateError(
                f"{path}: holds a run of {status.recipe} with another recipe or other data;"
                " give another --out, or remove the folder"
            )
    elif path.is_dir() and not all(map(files.is_leftover, path.iterdir())):
        raise MaskgateError(f"{path}: not empty and no run; give another --out")
    else:
        files.check_folder(path, remedy="give another --out")


def remove_untrained(run: Run) -> None:
    """Remove the folder of a run that was begun and has nothing to go on with: no checkpoint, no
    fold, no labels. Left alone where a process works in it, and where it holds anything else."""
    if not run.path.is_dir() or run.path.is_symlink() or not any(run.path.iterdir()):
        return
    if is_finished(run) or not _is_untrained(run.path):
        return
    try:
        with FileLock(run.path / ".lock", timeout=0):
            shutil.rmtree(run.path)
    except Timeout:
        return
    except OSError as error:
        raise disk_error(error, run.path) from error


def _is_untrained(path: Path) -> bool:
    known = all(any(file.match(name) for name in _UNTRAINED) for file in path.iterdir())
    return known and not any(any(path.rglob(name)) for name in _TRAINED)


def check_recipe(run: Run, recipe: Recipe) -> None:
    """Raise MaskgateError where the run's folder holds another recipe than the one to train, such
    as a folder that somebody else has prepared."""
    try:
        stored = run.recipe()
    except MaskgateError:  # killed before it was written, which is done again
        return
    if stored.digest() != recipe.digest():
        raise MaskgateError(
            f"{run.recipe_file}: is another recipe than the one to train, though"
            f" {run.status_file.name} takes them for the same; give another --out, or remove the"
            " folder"
        )


def is_finished(run: Run) -> bool:
    """Whether the run has been trained to its end. Raises MaskgateError where it has been and is
    not whole any more."""
    if not run.files.is_finished:
        return False
    run.check()
    return True


def acquire(lock: FileLock, run: Run) -> None:
    """Lock the run. Raises MaskgateError where another process trains it."""
    try:
        lock.acquire()
    except Timeout as error:
        raise MaskgateError(
            f"{run.path}: another process is training this run; let it end"
        ) from error


def describe(run: Run, options: TrainOptions, prepared: TrainingData, digest: str) -> None:
    """Write what is known of the run before its first fold."""
    files.remove_leftovers(
        run.path, *run.path.glob("fold-*"), run.path / "recipes", run.detector_folder
    )
    table = prepared.photos.table
    extra = prepared.extra()
    if not run.status_file.exists():  # first of all: by it the folder is known as a run's
        pairs = {
            tuple(sorted(map(_person_of(prepared.table), pair))) for pair in prepared.twins.pairs
        }
        run.tell(
            recipe=options.name,
            digest=digest,
            data=str(options.data),
            root=str(prepared.photos.root.resolve()),
            smoke=options.smoke,
            command=options.command,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            versions={"maskgate": maskgate.__version__, "torch": str(torch.__version__)},
            truth=prepared.labels.truth,
            photos=len(table),
            people=int(table["person"].nunique()),
            more=len(extra),
            corrected=prepared.labels.changed,
            left_out=prepared.left_out_for_age,
            unlabelled=prepared.unlabelled,
            largest_cluster=prepared.twins.largest,
            twins=sorted(pairs),
            warnings=prepared.warnings,
        )
    folds.write(
        run.folds_file, prepared.photos, table["cluster"].to_numpy(), table["fold"].to_numpy()
    )
    files.replace(run.photos_file, lambda beside: table.to_parquet(beside, index=False))
    if len(extra):
        files.replace(run.more_file, lambda beside: extra.to_parquet(beside, index=False))
    say(
        f"{run.path}: {len(table)} photos of {table['person'].nunique()} people; near-duplicates"
        f" join people in clusters of at most {prepared.twins.largest}"
        + _changes(prepared, len(extra))
    )
    for warning in prepared.warnings:
        say(f"warning: {warning}")


def _changes(prepared: TrainingData, extra: int) -> str:
    """How training differs from the photos as read, where it does."""
    counts = {
        "photos of further data": extra,
        "photos with corrected labels": prepared.labels.changed,
        "photos left out for their age": prepared.left_out_for_age,
        "photos without labels": prepared.unlabelled,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return f"; in training {', '.join(told)}" if told else ""


def _person_of(table: pd.DataFrame) -> Any:
    return dict(zip(table["photo"], table["person"], strict=True)).__getitem__
