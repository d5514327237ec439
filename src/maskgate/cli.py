"""The command line. Nothing heavy is imported until a command needs it."""

import errno
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from maskgate import __version__
from maskgate.errors import MaskgateError

app = typer.Typer(
    name="maskgate",
    help="Turns labelled photos of people into a mask check for the door.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Cache = Annotated[
    Path | None,
    typer.Option(help="Folder of decoded photos. [default: $MASKGATE_CACHE or ~/.cache/maskgate]"),
]
SkipFaulty = Annotated[
    bool, typer.Option("--skip-faulty", help="Leave out photos that cannot be used.")
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
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped one.")],
    data: Annotated[Path, typer.Argument(help="Folder of people, or a CSV of photos.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY.SUB=VALUE]...", help="Changes of the recipe."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder. [default: runs/<recipe>-<hash>]")
    ] = None,
    cache: Cache = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Every step on at most 64 photos, in seconds.")
    ] = False,
    skip_faulty: SkipFaulty = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that prepare photos beside the training.")
    ] = 0,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Time between checkpoints within an epoch.")
    ] = 60.0,
) -> None:
    """Train a recipe; the same command on an unfinished run goes on with it."""
    from maskgate import recipe as recipes
    from maskgate.training import crossval
    from maskgate.training.prepare import Order

    path = recipes.find(recipe)
    order = Order(
        name=path.stem,
        data=data,
        out=out,
        cache=cache,
        smoke=smoke,
        skip_faulty=skip_faulty,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
        command=shlex.join(["maskgate", *sys.argv[1:]]),
    )
    run = crossval.train(recipes.load(path, overrides), order)
    if os.environ.get("RANK", "0") == "0":  # of the processes that `torchrun` started
        typer.echo(crossval.told(run))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A run folder.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="CSV to write. [default: standard output]")
    ] = None,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Mask, gender and age band of photos, with the 18 probabilities, as CSV."""
    from maskgate import files
    from maskgate import predict as prediction

    if out is not None:
        files.check_target(out)
    predictor = prediction.load(model)
    found = predictor.predict(prediction.photos_in(photos), skip_faulty)
    text = found.to_csv(index=False, float_format="%.6f")
    if out is None:
        typer.echo(text, nl=False)
    else:
        files.replace_text(out, text)
        typer.echo(f"{out}: {len(found)} photos", err=True)


@app.command()
def submit(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: Annotated[Path, typer.Argument(metavar="EVAL", help="Folder with info.csv and images/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path(
        "submission.csv"
    ),
) -> None:
    """Answer every photo of EVAL's info.csv, in its order."""
    from maskgate import submission

    rows = submission.submit(run, data, out)
    typer.echo(f"{out}: {rows} rows")


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"),
) -> None:
    """List runs: recipe, what differs, score with its interval, time."""
    from maskgate.reports import listing

    listing.show(folder)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Write a run's report.html anew."""
    from maskgate import runs as run_folders
    from maskgate.reports import run as run_report

    typer.echo(run_report.write(run_folders.open_run(run)))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to work in.")] = Path("demo"),
    people: Annotated[int, typer.Option(min=24, help="Generated people to train on.")] = 160,
) -> None:
    """Generated people → train → submit → report, scored against the truth, in minutes."""
    from maskgate import demo as whole

    whole.run(out, people)


class _Interrupted(BaseException):
    """Ctrl-C; not the KeyboardInterrupt that Typer would answer in words of its own."""


def _interrupt(*_: object) -> None:
    raise _Interrupted


def main() -> None:
    """Run the command line; a fault is one line on stderr and exit code 2."""
    signal.signal(signal.SIGINT, _interrupt)
    sys.path.insert(0, "")  # a backbone of one's own may lie in the working folder
    try:
        app()
    except MaskgateError as error:
        _fail(str(error))
    except _Interrupted:
        _fail("interrupted; to go on with a training, repeat the command")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "see that it can be read and written"
        what = error.filename or "a file"
        _fail(f"{what}: {error.strerror or error}; {remedy} and repeat the command")


def _fail(message: str) -> None:
    print(f"maskgate: {message}", file=sys.stderr)
    raise SystemExit(2)
