"""Commands that answer: predict, submit."""

import os
from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import Cache, SkipFaulty, app


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
