"""The Typer application, and the arguments that several commands share.

A command first checks all its arguments: names, paths and changes. Only then does it import heavy
packages, such as torch and pandas, so that the error for a typo appears at once.
"""

import math
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from maskgate import __version__
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.config.recipe import Recipe
    from maskgate.data.label_map import LabelMap

app = typer.Typer(
    name="maskgate",
    help="Trains a classifier of mask use, gender and age band from photos, for a mask check at the"
    " door.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def existing_data(data: Path) -> Path:
    """A data set's folder or file. Raises MaskgateError if it does not exist."""
    from maskgate.imaging import photo_files

    photo_files.check_data(data)
    return data


def unlabelled_folder(photos: Path | None) -> Path | None:
    """A callback: the folder, if it is one. Raises MaskgateError."""
    from maskgate.core import files

    if photos is None:
        return None
    files.check_name(photos)
    if not photos.is_dir():
        what = "is a file" if photos.is_file() else "no such folder"
        raise MaskgateError(f"{photos}: {what}; give a folder of photos without labels")
    return photos


def existing_data_if_given(data: Path | None) -> Path | None:
    """A data set, if one is given. Raises MaskgateError if it does not exist."""
    return None if data is None else existing_data(data)


def existing_run(run: Path | None) -> Path | None:
    """A run's folder, if one is given. Raises MaskgateError if it does not exist."""
    if run is not None:
        check_runs([run])
    return run


def check_runs(runs: list[Path]) -> list[Path]:
    """Folders or files of runs. Raises MaskgateError if one does not exist."""
    from maskgate.core import files
    from maskgate.runs.records.faults import no_run

    for run in runs:
        files.check_name(run)
        if not run.exists():
            raise no_run(run)
    return runs


# The SM_ variables are those of the competition's own code. If they are set, the folders that they
# name may be left out.
_DATA = "Folder of people or of classes, CSV of photos, or Parquet or Arrow data set."
Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", envvar="SM_CHANNEL_TRAIN", help=_DATA, callback=existing_data),
]
PhotosOfRun = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="The data set that the run was trained on, if it has been moved.",
        show_default="where it was",
        callback=existing_data_if_given,
    ),
]
# For commands with another argument after DATA, so that DATA cannot be left out.
DataBeforeMore = Annotated[Path, typer.Argument(metavar="DATA", help=_DATA, callback=existing_data)]
# If DATA is left out, the first change takes its place.
DataOrChange = Annotated[
    str | None, typer.Argument(metavar="DATA", envvar="SM_CHANNEL_TRAIN", help=_DATA)
]
RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of an included one.")
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY.SUB=VALUE]...", help="Changes to the recipe."),
]
WORKERS: Final = 256  # processes; more would take the machine's memory


def number(value: float | None) -> float | None:
    """A number option. Raises BadParameter for `nan`, which passes every bound."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


def rate(value: float) -> float:
    """A learning rate. Raises BadParameter."""
    if not 0 < value < math.inf:
        raise typer.BadParameter(f"{value:g} is not a number above 0")
    return value


Workers = Annotated[
    int,
    typer.Option(min=0, max=WORKERS, help="Worker processes that load photos."),
]
CheckpointSeconds = Annotated[
    float,
    typer.Option(min=0, callback=number, help="Time between checkpoints within an epoch."),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder of decoded photos.", show_default="$MASKGATE_CACHE or ~/.cache/maskgate"
    ),
]


def _existing_detector_file(file: Path | None) -> Path | None:
    if file is None:
        return None
    from maskgate.faces import model_files

    return model_files.existing_file(file, "--detector-file")


DetectorFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=_existing_detector_file,
        help="File of the face detector that a bundle was trained with but does not contain, such"
        " as YuNet's.",
        show_default="$MASKGATE_YUNET, or models/ in the cache",
    ),
]
SkipFaulty = Annotated[bool, typer.Option("--skip-faulty", help="Skip photos that cannot be used.")]

Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Allow a run's own code (a backbone package.module:factory) to run on this machine,"
        " and to read a face detector's file on it.",
    ),
]

DetectorName = Annotated[
    str, typer.Option("--detector", help="Face detector: auto, yunet, mtcnn or retinaface.")
]


def data_and_overrides(
    data: str | None, overrides: list[str] | None, label_map: "LabelMap"
) -> tuple[Path, list[str]]:
    """DATA and the overrides, with those of the options that say how DATA is read. If DATA is left
    to its variable, it is the first override instead.

    Raises MaskgateError if there is no DATA, or if it does not exist.
    """
    overrides = overrides or []
    if data is not None and re.match(r"[a-z_][\w.]*=", data) and not Path(data).exists():
        overrides = [data, *overrides]
        data = os.environ.get("SM_CHANNEL_TRAIN")
    if not data:
        raise MaskgateError(
            "nothing to train on; give DATA, the folder of people or the CSV of photos, after the"
            " recipe, or set SM_CHANNEL_TRAIN to it"
        )
    return existing_data(Path(data)), [*overrides, *label_map.overrides()]


def path_and_recipe(name: str, overrides: list[str] | None = None) -> "tuple[Path, Recipe]":
    """The recipe file of that name, and the recipe. Raises MaskgateError."""
    from maskgate.config import recipe as recipes

    path = recipes.find(name)
    return path, recipes.load(path, overrides)


def checked_recipe(name: str, overrides: list[str] | None = None) -> "tuple[Path, Recipe]":
    """As `path_and_recipe`, for a recipe to train: also checks that all it names exists. Raises
    MaskgateError."""
    from maskgate.inference import trainable

    return trainable.open_recipe(name, overrides or [])


def typed_command() -> str:
    """The command as it was typed, to be stored in a run."""
    return shlex.join(["maskgate", *sys.argv[1:]])


def _version(requested: bool) -> None:
    if requested:
        terminal.show(f"maskgate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
