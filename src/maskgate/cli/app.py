"""The application that commands join, and the arguments that several of them take.

A command looks at all of its words first: names, paths and changes. What is heavy, such as torch
and pandas, it imports after that, so that a typo is told at once.
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

app = typer.Typer(
    name="maskgate",
    help="Trains a classifier of mask use, gender and age band from photos, for a mask check at the"
    " door.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def data_there(data: Path) -> Path:
    """A data set's folder or file. Raises MaskgateError where it does not exist."""
    from maskgate.imaging import photo_files

    photo_files.check_data(data)
    return data


def run_there(run: Path | None) -> Path | None:
    """A run's folder, if one is given. Raises MaskgateError where it does not exist."""
    if run is not None:
        check_runs([run])
    return run


def check_runs(runs: list[Path]) -> list[Path]:
    """Folders or files of runs. Raises MaskgateError where one does not exist."""
    from maskgate.core import files
    from maskgate.runs.records.faults import no_run

    for run in runs:
        files.check_name(run)
        if not run.exists():
            raise no_run(run)
    return runs


# The SM_ variables are those of the competition's own code; whoever has them set may leave out
# the folders they name.
_DATA = "Folder of people, or a CSV of photos."
Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", envvar="SM_CHANNEL_TRAIN", help=_DATA, callback=data_there),
]
# Where another argument must follow, which the variable could not give.
DataBeforeMore = Annotated[Path, typer.Argument(metavar="DATA", help=_DATA, callback=data_there)]
# One after the other: what stands where DATA is left out may be the first change.
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


def number(value: float) -> float:
    """A number of the command line. Raises BadParameter for `nan`, which no bound keeps out."""
    if math.isnan(value):
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


def _reachable(on: str | None) -> str | None:
    """Without a cluster the command ends before a folder is made."""
    if on is not None:
        from maskgate import cluster

        cluster.check(on)
    return on


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="CLUSTER",
        help="Run on a Ray cluster: ray, or its HOST:PORT.",
        callback=_reachable,
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


def data_and_overrides(data: str | None, overrides: list[str] | None) -> tuple[Path, list[str]]:
    """Where DATA is left to its variable, the first override stands in its place.

    Raises MaskgateError where there is none, or nothing of that name.
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
    return data_there(Path(data)), overrides


def path_and_recipe(name: str, overrides: list[str] | None = None) -> "tuple[Path, Recipe]":
    """The file of the recipe of that name, and what it holds. Raises MaskgateError."""
    from maskgate.config import recipe as recipes

    path = recipes.find(name)
    return path, recipes.load(path, overrides)


def checked_recipe(
    name: str, overrides: list[str] | None = None, smoke: bool = False
) -> "tuple[Path, Recipe]":
    """As `path_and_recipe`, of a recipe that is to be trained: what it names is there. Raises
    MaskgateError."""
    from maskgate.inference import recipe_check

    path, loaded = path_and_recipe(name, overrides)
    recipe_check.check(loaded, path.stem, smoke)
    return path, loaded


def typed() -> str:
    """The command as it was typed, which a run keeps."""
    return shlex.join(["maskgate", *sys.argv[1:]])


def _version(wanted: bool) -> None:
    if wanted:
        terminal.show(f"maskgate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
