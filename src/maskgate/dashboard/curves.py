"""The curves of a run's folds, also while it trains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder, tables

MEASURES: Final = ("train_loss", "valid_loss", "valid_score")
_DIGITS: Final = 5  # of a value on a chart

Fold = dict[str, Any]  # "fold", and lists of the same length: "epoch", and each measure


@dataclass(frozen=True)
class Progress:
    """How far an unfinished run is: its folds, those trained, the epochs of the one that is being
    trained, and when it last wrote its place (ISO 8601)."""

    folds: int
    trained: int
    epochs: int
    epoch: int
    updated: str


def of_run(run: RunFolder) -> list[Fold]:
    """The history of each fold of a finished run; empty for a system. Raises MaskgateError."""
    if run.is_system or not run.files.holds(run.history_file):
        return []
    return _folds(tables.history(run).to_dict("records"))


def so_far(run: RunFolder, settings: Mapping[str, Any]) -> tuple[list[Fold], Progress | None]:
    """The history of an unfinished run of a recipe with these settings, and how far it is. A file
    that is being replaced or is damaged is passed over."""
    from maskgate.training import checkpoint

    try:
        numbers = run.folds
    except MaskgateError:
        return [], None
    training = settings["training"]
    epochs = training["epochs"] + (training["validation_epochs"] or 0)
    rows: list[Mapping[Any, Any]] = []
    epoch, trained, written = 0, 0, [run.status_file]
    for number in numbers:
        place = run.fold_folder(number) / "checkpoint.pt"
        try:
            if run.fold_file(number).exists():
                rows += tables.fold_history(run, number).to_dict("records")
                trained += 1
                written.append(run.fold_file(number))
            elif (position := checkpoint.position(place)) is not None:
                rows += position["history"]
                epoch = max(epoch, int(position["epoch"]))
                written.append(place)
        except (MaskgateError, KeyError, TypeError, ValueError):
            continue
    updated = last_written(written)
    return _folds(rows), Progress(len(numbers), trained, epochs, epoch=epoch, updated=updated)


def last_written(paths: Sequence[Path]) -> str:
    """When the last of these files was written (ISO 8601)."""
    latest = max(map(_modified, paths))
    return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds")


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _folds(rows: Sequence[Mapping[Any, Any]]) -> list[Fold]:
    by_fold: dict[int, Fold] = {}
    for row in rows:
        number = int(row["fold"])
        empty: Fold = {"fold": number, "epoch": [], **{name: [] for name in MEASURES}}
        fold = by_fold.setdefault(number, empty)
        fold["epoch"].append(int(row["epoch"]))
        for name in MEASURES:
            fold[name].append(_rounded(row.get(name)))
    return [by_fold[number] for number in sorted(by_fold)]


def _rounded(value: Any) -> float | None:
    """The value to five digits; None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")
