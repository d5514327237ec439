"""The command predict."""

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
