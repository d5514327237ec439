"""Opens runs by their folder, and refuses those that are unfinished or damaged."""

from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.runs.records.faults import no_run, unreadable
from maskgate.runs.run import RunFolder, unfinished

BUNDLE_MANIFEST: Final = "manifest.json"
_ZIP: Final = b"PK\x03\x04"


def open_run(path: str | Path, trust: bool = False) -> RunFolder:
    """The finished run in a folder, or the only (finished) one among the folders in it.

    `trust` means that the user trusts whoever made it. Raises MaskgateError where there is no run
    or several, or the run is unfinished or damaged.
    """
    files.check_name(Path(path))
    run = RunFolder(Path(path), trust)
    if not is_run(run.path):
        runs = usable(run.path)
        finished = [each for each in runs if each.files.is_finished]
        run = RunFolder(_only(finished or runs, run.path).path, trust)
    if not run.files.is_finished:
        raise unfinished(run)
    run.check()
    return run


def find_run(path: Path) -> RunFolder:
    """The run in a folder, finished or not, or the only one among the folders in it. Raises
    MaskgateError where there is no run or several, or the run is damaged."""
    files.check_name(path)
    run = RunFolder(path) if is_run(path) else _only(usable(path), path)
    run.check()
    return run


def open_model(path: str | Path, trust: bool = False) -> RunFolder:
    """As `open_run`, for the run of a single model; raises MaskgateError for a system's run."""
    run = open_run(path, trust=trust)
    if run.is_system:
        raise MaskgateError(
            f"{run.path}: the run of a system, not of a single model; give the run of one of its"
            f" members, such as {run.members()[0].path}"
        )
    return run


def _only(runs: list[RunFolder], folder: Path) -> RunFolder:
    """The only one of the runs in a folder. Raises MaskgateError where there is none or several."""
    if not runs and is_bundle(folder):
        raise bundle_error(folder)
    if not runs:
        raise no_run(folder)
    if len(runs) > 1:
        names = listed([run.path.name for run in runs])
        raise MaskgateError(f"{folder}: contains {len(runs)} runs ({names}); give one of them")
    return runs[0]


def usable(folder: Path) -> list[RunFolder]:
    """The undamaged runs among the folders in `folder`, by name, with a warning for each damaged
    one. Raises MaskgateError where all are damaged."""
    runs, errors = [], []
    for run, error in scan(folder):
        if error is None:
            runs.append(run)
        else:
            errors.append(error)
    if errors and not runs:
        raise errors[0]
    for error in errors:
        say(f"warning: left out, {error}")
    return runs


def scan(folder: Path) -> list[tuple[RunFolder, MaskgateError | None]]:
    """The runs among the folders in `folder`, by name, with the error of each damaged one."""
    runs: list[tuple[RunFolder, MaskgateError | None]] = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        run = RunFolder(place)
        try:
            if not is_run(run.path):
                continue
            run.check()
            runs.append((run, None))
        except MaskgateError as error:
            runs.append((run, error))
    return runs


def verify(path: Path) -> None:
    """Raise MaskgateError where a file belongs to a finished run and has changed since."""
    folder = path.parent.parent if path.parent.name.startswith("fold-") else path.parent
    run = RunFolder(folder)
    if run.status_file.is_file() and run.files.holds(path):
        run.files.digest(path)


def is_run(folder: Path) -> bool:
    """Whether `folder` holds a run. Raises MaskgateError where the system cannot tell, for example
    because of circular links."""
    file = RunFolder(folder).status_file
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(file, error) from error
    return True


def is_bundle(path: Path) -> bool:
    """Whether there is a bundle, damaged or not, at `path`: a folder with a manifest, or a zip."""
    try:
        if path.is_dir():
            return (path / BUNDLE_MANIFEST).exists()
        if not path.is_file():  # a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            return file.read(len(_ZIP)) == _ZIP
    except OSError:
        return False


def bundle_error(path: Path) -> MaskgateError:
    """The error for a bundle where a run is needed, or one bundle alone."""
    return MaskgateError(
        f"{path}: a bundle, not a run; give the run that it was exported from (predict and submit"
        " accept one bundle alone)"
    )
