"""The command line. Nothing heavy is imported until a command needs it."""

import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from maskgate import __version__, interruption, threads
from maskgate.errors import MaskgateError, of_disk

app = typer.Typer(
    name="maskgate",
    help="Turns labelled photos of people into a mask check for the door.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The SM_ variables are those of the competition's own code; whoever has them set may leave out
# the folders they name.
_DATA = "Folder of people, or a CSV of photos."
Data = Annotated[Path, typer.Argument(metavar="DATA", envvar="SM_CHANNEL_TRAIN", help=_DATA)]
# One after the other: what stands where DATA is left out may be the first change.
DataOrChange = Annotated[
    str | None, typer.Argument(metavar="DATA", envvar="SM_CHANNEL_TRAIN", help=_DATA)
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY.SUB=VALUE]...", help="Changes of the recipe."),
]
Workers = Annotated[
    int, typer.Option(min=0, help="Processes that prepare photos beside the training.")
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder of decoded photos.", show_default="$MASKGATE_CACHE or ~/.cache/maskgate"
    ),
]
SkipFaulty = Annotated[
    bool, typer.Option("--skip-faulty", help="Leave out photos that cannot be used.")
]

DetectorName = Annotated[
    str, typer.Option("--detector", help="What finds faces: auto, yunet, mtcnn or retinaface.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"maskgate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def inspect(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the page and the table.")] = Path("inspect"),
    cache: Cache = None,
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Show photos on the page.")
    ] = True,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="Show what a recipe's transforms do to the photos."),
    ] = None,
) -> None:
    """What is in a data set and everything wrong with it: a page, and a table of problems."""
    from maskgate import files, inspection
    from maskgate import recipe as recipes
    from maskgate.data import checks
    from maskgate.reports import inspect as inspect_page
    from maskgate.reports.recipe_picture import Effects

    files.check_folder(out)
    path = None if recipe is None else recipes.find(recipe)
    effects = None if path is None else Effects(path.stem, recipes.load(path), cache)
    found = inspection.inspect(data, cache or files.cache_folder())
    page, problems = inspect_page.write(found, out, photos, effects)
    for line in checks.summary(found.problems):
        typer.echo(line)
    fatal = sum(problem.fatal for problem in found.problems)
    typer.echo(f"{len(found.problems)} problems, {fatal} of which stop a training: {problems}")
    typer.echo(page)


@app.command()
def faces(
    data: Data,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARGUMENT=VALUE]...", help="Arguments of the detector."),
    ] = None,
    detector: DetectorName = "auto",
    recipe: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="Take the detector of a recipe instead."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, parquet.")] = Path(
        "boxes.parquet"
    ),
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Find the face in every photo, once: a table of boxes, and how many have one.

    Trainings with the same detector find their faces in the cache then.
    """
    from maskgate import config, files
    from maskgate import recipe as recipes
    from maskgate.config import Named
    from maskgate.faces import boxes, detectors, survey

    files.check_target(out)
    given = dict(map(config.split, arguments or []))
    if "name" in given:
        raise MaskgateError("name: is no argument of a detector; name one with --detector")
    wanted = Named(name=detector, **given)
    if recipe is not None:
        path = recipes.find(recipe)
        face = recipes.load(path).photo.face
        if face is None:
            raise MaskgateError(f"{path}: has no photo.face; name a detector with --detector")
        if wanted != Named(name="auto"):
            raise MaskgateError("a recipe and a detector are given; give one of them")
        wanted = face.detector
    folder = cache or files.cache_folder()
    found = survey.find(data, detectors.create(wanted, folder), folder, skip_faulty)
    boxes.write(out, found.faces)
    for line in found.sentences():
        typer.echo(line)
    typer.echo(f"{out}: {len(found.faces)} rows")


@app.command()
def wear(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FACES", help="Bare faces: a CSV, a folder of people, or UTKFace-style names."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 7,
    detector: DetectorName = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that draw.", show_default="all cores")
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Draw masks on bare faces: seven photos a person, and a table of the truth.

    Repeat the command to go on where it was cut off.
    """
    from maskgate import files
    from maskgate.config import Named
    from maskgate.data import checks, layouts
    from maskgate.faces import detectors
    from maskgate.wear import people

    photos = layouts.read(source)
    checks.refuse(photos.problems, source, skip_faulty)
    folder = cache or files.cache_folder()
    found = detectors.create(Named(name=detector), folder)
    dressed = people.dress(photos, found, out, seed, folder, source, skip_faulty, workers)
    left_out = {
        f"people ({why}; left_out.csv)": count
        for why, count in Counter(dressed.left_out.values()).items()
    } | {
        "photos that show a mask already": dressed.masked,
        "further photos of a person": dressed.further,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    typer.echo(f"{out}: {dressed.photos:,} photos of {dressed.people:,} people")
    if told:
        typer.echo(f"left out: {told}")


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A recipe or system: its file, or the name of a shipped one."
        ),
    ],
    data: DataOrChange = None,
    overrides: Changes = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="<runs>/<recipe>-<hash>")
    ] = None,
    runs: Annotated[
        Path, typer.Option(envvar="SM_MODEL_DIR", help="Folder of run folders.")
    ] = Path("runs"),
    cache: Cache = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Every step on at most 64 photos, in seconds.")
    ] = False,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Time between checkpoints within an epoch.")
    ] = 60.0,
) -> None:
    """Train a recipe, or all of a system; the same command on an unfinished run goes on with it."""
    from maskgate import recipe as recipes
    from maskgate import system as systems
    from maskgate.training import crossval, ensembles
    from maskgate.training.prepare import Order

    folder, changes = _data_and_overrides(data, overrides or [])
    several = systems.is_system(recipe)
    path = systems.find(recipe) if several else recipes.find(recipe)
    order = Order(
        name=path.stem,
        data=folder,
        out=out,
        runs=runs,
        cache=cache,
        smoke=smoke,
        skip_faulty=skip_faulty,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
        command=shlex.join(["maskgate", *sys.argv[1:]]),
    )
    if several:
        run = ensembles.train(systems.load(path, changes), order)
    else:
        run = crossval.train(recipes.load(path, changes), order)
    if os.environ.get("RANK", "0") == "0":  # of the processes that `torchrun` started
        typer.echo(crossval.told(run))


def _data_and_overrides(data: str | None, overrides: list[str]) -> tuple[Path, list[str]]:
    """Where DATA is left to its variable, the first override stands in its place."""
    if data is not None and re.match(r"[a-z_][\w.]*=", data) and not Path(data).exists():
        overrides = [data, *overrides]
        data = os.environ.get("SM_CHANNEL_TRAIN")
    if not data:
        raise MaskgateError(
            "nothing to train on; give DATA, the folder of people or the CSV of photos, after the"
            " recipe, or set SM_CHANNEL_TRAIN to it"
        )
    return Path(data), overrides


@app.command()
def lr(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")
    ],
    data: DataOrChange = None,
    overrides: Changes = None,
    out: Annotated[Path, typer.Option(help="Folder for the page and the table.")] = Path("lr"),
    low: Annotated[float, typer.Option(help="Lowest learning rate.")] = 1e-7,
    high: Annotated[float, typer.Option(help="Highest learning rate.")] = 10.0,
    updates: Annotated[int, typer.Option(min=10, help="Learning rates to try.")] = 100,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
) -> None:
    """Try rising learning rates on a recipe's first fold: a page with the curve; suggest one."""
    from maskgate import files
    from maskgate import recipe as recipes
    from maskgate.training import lr_finder
    from maskgate.training.prepare import Order

    files.check_folder(out)
    folder, changes = _data_and_overrides(data, overrides or [])
    path = recipes.find(recipe)
    order = Order(path.stem, folder, cache=cache, skip_faulty=skip_faulty, workers=workers)
    found = lr_finder.find(recipes.load(path, changes), order, low, high, updates)
    page = lr_finder.write(found, out, path.stem, changes)
    typer.echo(f"{lr_finder.sentence(found)}\n{page}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A run folder.")],
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTOS", help="Photos, or folders of photos.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="CSV to write.", show_default="standard output"),
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    all_faces: Annotated[
        bool,
        typer.Option(
            "--all-faces", help="A row for each face, not for the largest and most central."
        ),
    ] = False,
) -> None:
    """Mask, gender and age band of photos, with the 18 probabilities, as CSV."""
    from maskgate import files
    from maskgate import predict as prediction

    if out is not None:
        files.check_target(out)
    predictor = prediction.load(model, cache)
    found = predictor.predict(prediction.photos_in(photos), skip_faulty, all_faces)
    text = found.to_csv(index=False, float_format="%.6f")
    if out is None:
        typer.echo(text, nl=False)
    else:
        files.replace_text(out, text)
        typer.echo(f"{out}: {len(found)} rows", err=True)


@app.command()
def submit(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            envvar="SM_CHANNEL_MODEL",
            help="A run folder, or a folder that holds one run.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="EVAL", envvar="SM_CHANNEL_EVAL", help="Folder with info.csv and images/."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write.",
            show_default="$SM_OUTPUT_DATA_DIR/output.csv or submission.csv",
        ),
    ] = None,
    cache: Cache = None,
) -> None:
    """Answer every photo of EVAL's info.csv, in its order."""
    from maskgate import submission

    folder = os.environ.get("SM_OUTPUT_DATA_DIR")
    answers = out or (Path(folder, "output.csv") if folder else Path("submission.csv"))
    rows = submission.submit(run, data, answers, cache)
    typer.echo(f"{answers}: {rows} rows")


@app.command()
def runs(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", envvar="SM_MODEL_DIR", help="Folder of run folders."),
    ] = Path("runs"),
) -> None:
    """List runs: recipe, what differs, score with its interval, time."""
    from maskgate.reports import listing

    listing.show(folder)


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUNS", help="Run folders, or folders of them; the first leads."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Page to write (.html), or a folder for it."),
    ] = None,
) -> None:
    """What changes of a recipe change: paired differences of out-of-fold scores."""
    from maskgate.experiments import compare as comparison
    from maskgate.reports import compare as compare_page

    targets = None if out is None else compare_page.targets(out)
    found = comparison.compare(runs)
    compare_page.show(found)
    if targets is not None:
        compare_page.write(found, *targets)
        typer.echo(targets[0])


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Show photos on the page.")
    ] = True,
) -> None:
    """Write a run's report.html anew."""
    from maskgate import runs as run_folders
    from maskgate.reports import run as run_report

    typer.echo(run_report.write(run_folders.open_run(run), photos))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to work in.")] = Path("demo"),
    people: Annotated[int, typer.Option(min=24, help="Generated people to train on.")] = 160,
) -> None:
    """Generated people → train → submit → report, scored against the truth, in minutes."""
    from maskgate import demo as whole

    whole.run(out, people)


def main() -> None:
    """Run the command line; a fault is one line on stderr and exit code 2."""
    interruption.watch()
    threads.wait_politely()
    sys.path.insert(0, "")  # a backbone of one's own may lie in the working folder
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="maskgate", standalone_mode=False)
    except MaskgateError as error:
        _fail(str(error))
    except typer.TyperException as error:
        _fail(_misused(error))
    except interruption.Interrupted:
        _fail("interrupted; to go on with a training, repeat the command")
    except OSError as error:
        _fail(str(of_disk(error, error.filename or "a file")))
    raise SystemExit(code)


def _misused(error: typer.TyperException) -> str:
    """What is wrong with the words of the command line, and where the right ones are told."""
    told = error.format_message().rstrip(".")
    variable = getattr(getattr(error, "param", None), "envvar", None)
    if variable and told.startswith("Missing"):
        told += f", which {variable} could give"
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "maskgate"
    return f"{told[0].lower()}{told[1:]} (see {command} --help)"


def _fail(message: str) -> NoReturn:
    print(f"maskgate: {message}", file=sys.stderr)
    interruption.end()
    raise SystemExit(2)
