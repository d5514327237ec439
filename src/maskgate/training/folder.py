"""The folder a run is trained into: found or made, locked, and described before the first fold."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock, Timeout

import maskgate
from maskgate import files
from maskgate.data import folds
from maskgate.errors import MaskgateError
from maskgate.progress import say
from maskgate.runs import Run
from maskgate.training.prepare import Order, Prepared


def place(order: Order, digest: str) -> Path:
    """The folder to train into, made where it is new. Raises MaskgateError for another run's."""
    smoke = "-smoke" if order.smoke else ""
    path = order.out or order.runs / f"{order.name}{smoke}-{digest}"
    run = Run(path)
    if order.smoke and run.status_file.exists() and run.status().get("smoke"):
        shutil.rmtree(path)
    return made(path, digest)


def made(path: Path, digest: str) -> Path:
    """The folder of a run at `path`. Raises MaskgateError where it holds something else."""
    files.check_name(path)
    run = Run(path)
    if run.status_file.exists():
        status = run.status()
        if status["digest"] != digest:
            raise MaskgateError(
                f"{path}: holds a run of {status['recipe']} with another recipe or other data;"
                " give another --out, or remove the folder"
            )
    elif path.is_dir() and any(
        file.name != ".lock" and file.suffix != ".part" for file in path.iterdir()
    ):
        raise MaskgateError(f"{path}: not empty and no run; give another --out")
    elif path.is_file():
        raise MaskgateError(f"{path}: is a file; give another --out")
    path.mkdir(parents=True, exist_ok=True)
    return path


def is_finished(run: Run) -> bool:
    """Whether the run has been trained to its end."""
    return run.status_file.exists() and bool(run.status().get("finished"))


def take(lock: FileLock, run: Run) -> None:
    """Lock the run. Raises MaskgateError where another process trains it."""
    try:
        lock.acquire()
    except Timeout as error:
        raise MaskgateError(
            f"{run.path}: another process is training this run; let it end"
        ) from error


def describe(run: Run, order: Order, prepared: Prepared, digest: str) -> None:
    """Write what is known of the run before its first fold."""
    for left in run.path.rglob(".*.part"):  # of a run that was killed while writing
        left.unlink()
    table = prepared.table()
    more = prepared.more()
    if not run.status_file.exists():  # first of all: by it the folder is known as a run's
        pairs = {
            tuple(sorted(map(_person_of(prepared.taught), pair))) for pair in prepared.twins.pairs
        }
        run.tell(
            recipe=order.name,
            digest=digest,
            data=str(order.data),
            root=str(prepared.photos.root.resolve()),
            smoke=order.smoke,
            command=order.command,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            versions={"maskgate": maskgate.__version__, "torch": str(torch.__version__)},
            truth=prepared.labels.truth,
            photos=len(table),
            people=int(table["person"].nunique()),
            more=len(more),
            corrected=prepared.labels.changed,
            left_out=prepared.left_out_for_age,
            unlabelled=prepared.unlabelled,
            largest_cluster=prepared.twins.largest,
            twins=sorted(pairs),
            warnings=prepared.warnings,
        )
    folds.write(run.folds_file, prepared.photos, prepared.cluster, prepared.fold)
    files.replace(run.photos_file, lambda beside: table.to_parquet(beside, index=False))
    if len(more):
        files.replace(run.more_file, lambda beside: more.to_parquet(beside, index=False))
    say(
        f"{run.path}: {len(table)} photos of {table['person'].nunique()} people; near-duplicates"
        f" join people in clusters of at most {prepared.twins.largest}"
        + _changes(prepared, len(more))
    )
    for warning in prepared.warnings:
        say(f"warning: {warning}")


def _changes(prepared: Prepared, more: int) -> str:
    """How training differs from the photos as read, where it does."""
    counts = {
        "photos of further data": more,
        "photos with corrected labels": prepared.labels.changed,
        "photos left out for their age": prepared.left_out_for_age,
        "photos without labels": prepared.unlabelled,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return f"; in training {', '.join(told)}" if told else ""


def _person_of(table: pd.DataFrame) -> Any:
    return dict(zip(table["photo"], table["person"], strict=True)).__getitem__
