"""Checks that the files and folders that a recipe names exist.

Their contents are not read, so that a wrong path is reported before anything heavy is imported.
"""

from pathlib import Path

from maskgate.config import settings
from maskgate.core import files
from maskgate.errors import MaskgateError


def corrections(name: str) -> Path:
    """The file of `labels.corrections`, given as a path or as the name of a shipped one. Raises
    MaskgateError."""
    return settings.find(name, "file of corrections", files.shipped("corrections"), (".csv",))


def check_weights(path: Path) -> None:
    """Raise MaskgateError where the file of `model.weights` does not exist."""
    if not path.is_file():
        raise MaskgateError(f"{path}: no such file of weights; see model.weights")


def check_extra(path: Path) -> None:
    """Raise MaskgateError where one of the data sets in `data` does not exist."""
    if not path.exists():
        raise MaskgateError(
            f"{path}: no such file or folder, but the recipe's data names it; fix the path,"
            f" which is relative to the working folder {Path.cwd()}"
        )


def check_unlabelled(folder: Path) -> None:
    """Raise MaskgateError where the folder of `pseudo.photos` does not exist."""
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "no such folder"
        raise MaskgateError(
            f"{folder}: {what}, but pseudo.photos names it; give a folder of photos without"
            f" labels, relative to the working folder {Path.cwd()}"
        )


def check_fold_file(path: Path) -> None:
    """Raise MaskgateError where the file of `folds.file` cannot be opened."""
    try:
        files.content(path, "a CSV", size=0)
    except MaskgateError as error:
        raise no_fold_file(path, error) from error


def no_fold_file(path: Path, cause: object) -> MaskgateError:
    """The error for a file that is not a fold file; `cause` may begin with its path."""
    reason = str(cause).removeprefix(f"{path}: ")
    return MaskgateError(
        f"{path}: not a fold file with columns person,fold ({reason}); give a run's folds.csv"
    )
