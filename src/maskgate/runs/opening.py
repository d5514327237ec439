"""Runs opened by their folder: a run is whole, or refused in one sentence."""

from pathlib import Path

from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.runs.records.faults import no_run, unreadable
from maskgate.runs.run import Run, unfinished


def open_run(path: str | Path, trust: bool = False) -> Run:
    """The finished run in a folder, or the only (finished) one among the folders in it.

    `trust` where the user vouches for it. Raises MaskgateError where there is none, several, or it
    is unfinished or not whole.
    """
    files.check_name(Path(path))
    run = Run(Path(path), trust)
    if not is_run(run.path):
        run = Run(_only_run(run.path).path, trust)
    if not run.files.is_finished:
        raise unfinished(run)
    run.check()
    return run


def open_model(path: str | Path, trust: bool = False) -> Run:
    """As `open_run`, of a single model; raises MaskgateError for a system's run as well."""
    run = open_run(path, trust=trust)
    if run.is_system:
        raise MaskgateError(
            f"{run.path}: the run of a system, which is no single model; give the run of one of"
            f" its members, such as {run.members()[0].path}"
        )
    return run


def _only_run(folder: Path) -> Run:
    found = usable(folder)
    found = [run for run in found if run.files.is_finished] or found
    if not found:
        raise no_run(folder)
    if len(found) > 1:
        names = listed([run.path.name for run in found])
        raise MaskgateError(f"{folder}: holds {len(found)} runs ({names}); give one of them")
    return found[0]


def usable(folder: Path) -> list[Run]:
    """The runs among the folders in `folder`, by name; those that are damaged are left out, each
    with a warning. Raises the fault where all are."""
    found, faults = [], []
    for run, fault in scan(folder):
        if fault is None:
            found.append(run)
        else:
            faults.append(fault)
    if faults and not found:
        raise faults[0]
    for fault in faults:
        say(f"warning: left out, {fault}")
    return found


def scan(folder: Path) -> list[tuple[Run, MaskgateError | None]]:
    """The runs among the folders in `folder`, by name, and the fault of each that is damaged."""
    found: list[tuple[Run, MaskgateError | None]] = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        run = Run(place)
        try:
            if not is_run(run.path):
                continue
            run.check()
            found.append((run, None))
        except MaskgateError as error:
            found.append((run, error))
    return found


def verify(path: Path) -> None:
    """Raise MaskgateError where a file is one of a finished run, and not as that lists it."""
    folder = path.parent.parent if path.parent.name.startswith("fold-") else path.parent
    run = Run(folder)
    if run.status_file.is_file() and run.files.holds(path):
        run.files.digest(path)


def is_run(folder: Path) -> bool:
    """Whether `folder` holds a run. Raises MaskgateError where the system does not tell, as of
    links that lead round in a circle."""
    file = Run(folder).status_file
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(file, error) from error
    return True
