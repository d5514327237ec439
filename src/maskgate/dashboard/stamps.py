"""What changes when files of a run change, without reading them."""

from collections.abc import Iterable
from pathlib import Path

from maskgate.core import files
from maskgate.runs import RunFolder


def of_row(run: RunFolder) -> tuple[str, ...]:
    """Of the files of a run, and of its members, that its row, curves and progress are made of."""
    paths = [*_settings(run), run.metrics_file, run.history_file, run.notes_file, *_folds(run)]
    for folder in sorted(run.path.glob("members/*/")):
        paths += [*_settings(RunFolder(folder)), *_folds(RunFolder(folder))]
    return _stamps(paths)


def of_scores(run: RunFolder) -> tuple[str, ...]:
    """Of the files of a finished run that a verdict is made of."""
    return _stamps([*_settings(run), run.metrics_file, run.photos_file, run.oof_file])


def _settings(run: RunFolder) -> list[Path]:
    return [run.status_file, run.recipe_file, run.system_file]


def _folds(run: RunFolder) -> list[Path]:
    """The files that say how far each fold of a run is."""
    names = ("fold-*/checkpoint.pt", "fold-*/fold.json")
    return [path for name in names for path in sorted(run.path.glob(name))]


def _stamps(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(f"{path.name} {_stamp(path)}" for path in paths)


def _stamp(path: Path) -> str:
    try:
        return files.stamp(path)
    except OSError:
        return ""
