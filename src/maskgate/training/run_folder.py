"""The folder of a run in training: created, checked, locked and described before the first fold."""

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
from maskgate.core.progress import log
from maskgate.data import folds
from maskgate.errors import MaskgateError, disk_error
from maskgate.runs import RunFolder
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData

# Files that a run's folder may have before anything is trained, and those that cost hours.
_UNTRAINED: Final = (
    "run.json", "recipe.yaml", "system.yaml", "folds.csv", "photos.parquet", "more.parquet",
    "thumbnails.parquet", "detector", "tensorboard", "wandb",
    "recipes", "members", "fold-*", ".lock", ".*.part", "combination.json", "oof*.parquet",
    "metrics.json", "mistakes.csv", "report.html",
)  # fmt: skip
_TRAINED: Final = ("checkpoint.pt", "fold.json", "pseudo.parquet")


def place(options: TrainOptions, digest: str) -> Path:
    """The folder to train into, created if new. Raises MaskgateError if it has another run."""
    smoke = "-smoke" if options.smoke else ""
    path = options.out or options.runs / f"{options.name}{smoke}-{digest}"
    run = RunFolder(path)
    if options.smoke and run.status_file.exists() and run.status().smoke:
        shutil.rmtree(path)
    return create(path, digest)


def create(path: Path, digest: str) -> Path:
    """Create the folder of a run at `path`. Raises MaskgateError if it has other content.

    Another run there that has nothing trained is removed.
    """
    run = RunFolder(path)
    if run.status_file.exists() and run.status().digest != digest:
        remove_untrained(run)
    check(path, digest)
    path.mkdir(parents=True, exist_ok=True)
    return path


def check(path: Path, digest: str) -> None:
    """Raise MaskgateError if `path` cannot become the folder of the run with that digest."""
    files.check_name(path)
    run = RunFolder(path)
    # A stranger may have made the folder; writing through a link would write elsewhere.
    folders = (*path.glob("fold-*"), path / "members", run.detector_folder)
    if links := [each for each in folders if each.is_symlink()]:
        raise MaskgateError(f"{links[0]}: is a link; give another --out, or put the folder there")
    if run.status_file.exists():
        status = run.status()
        if status.digest != digest:
            raise MaskgateError(
                f"{path}: has a run of {status.recipe} with another recipe or other data;"
                " give another --out, or remove the folder"
            )
    elif path.is_dir() and not all(map(files.is_leftover, path.iterdir())):
        raise MaskgateError(f"{path}: not empty and no run; give another --out")
    else:
        files.check_folder(path, remedy="give another --out")


def remove_untrained(run: RunFolder) -> None:
    """Remove the folder of an unfinished run without a checkpoint, trained fold or pseudo labels.

    It is kept if a process works in it, or if it has any other file.
    """
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


def check_recipe(run: RunFolder, recipe: Recipe) -> None:
    """Raise MaskgateError if the run's folder has another recipe than the one to train, for
    example a folder from somebody else."""
    try:
        stored = run.recipe()
    except MaskgateError:  # killed before it was written; it is written again
        return
    if stored.digest() != recipe.digest():
        raise MaskgateError(
            f"{run.recipe_file}: is another recipe than the one to train, though"
            f" {run.status_file.name} has the same digest; give another --out, or remove the folder"
        )


def is_finished(run: RunFolder) -> bool:
    """Whether the run is finished. Raises MaskgateError if it is, but files are missing or
    damaged."""
    if not run.files.is_finished:
        return False
    run.check()
    return True


def acquire(lock: FileLock, run: RunFolder) -> None:
    """Lock the run. Raises MaskgateError if another process is training it."""
    try:
        lock.acquire()
    except Timeout as error:
        raise MaskgateError(
            f"{run.path}: another process is training this run; wait for it to end"
        ) from error


def describe(
    run: RunFolder,
    options: TrainOptions,
    prepared: TrainingData,
    *,
    digest: str,
    table: pd.DataFrame,
) -> None:
    """Write the run's description before its first fold; `table` is that of its photos."""
    files.remove_leftovers(
        run.path, *run.path.glob("fold-*"), run.path / "recipes", run.detector_folder
    )
    extra = prepared.extra()
    if not run.status_file.exists():  # written first: it marks the folder as a run's
        person_of = _person_of(prepared.table)
        pairs = {tuple(sorted(map(person_of, pair))) for pair in prepared.near_duplicates.pairs}
        run.update_status(
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
            largest_cluster=prepared.near_duplicates.largest,
            twins=sorted(pairs),
            warnings=prepared.warnings,
        )
    folds.write(
        run.folds_file, prepared.photos, table["cluster"].to_numpy(), table["fold"].to_numpy()
    )
    files.replace(run.photos_file, lambda part: table.to_parquet(part, index=False))
    if len(extra):
        files.replace(run.extra_file, lambda part: extra.to_parquet(part, index=False))
    log(
        f"{run.path}: {len(table)} photos of {table['person'].nunique()} people; near-duplicates"
        f" join people in groups of at most {prepared.near_duplicates.largest}"
        + _changes(prepared, len(extra))
    )
    for warning in prepared.warnings:
        log(f"warning: {warning}")


def _changes(prepared: TrainingData, extra: int) -> str:
    """How the training data differ from the photos as read, for a message."""
    counts = {
        "photos of extra data": extra,
        "photos with corrected labels": prepared.labels.changed,
        "photos left out for their age": prepared.left_out_for_age,
        "photos without labels": prepared.unlabelled,
    }
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    return f"; in training {', '.join(parts)}" if parts else ""


def _person_of(table: pd.DataFrame) -> Any:
    return dict(zip(table["photo"], table["person"], strict=True)).__getitem__
