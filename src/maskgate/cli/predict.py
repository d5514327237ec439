"""The command predict."""

from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import Cache, On, SkipFaulty, Trust, app, existing_run
from maskgate.core import terminal
from maskgate.errors import MaskgateError


@app.command()
def predict(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A run folder or a bundle.", callback=existing_run),
    ],
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS",
            help="Photos, or folders of photos; with --on also URLs such as s3://BUCKET/FOLDER.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="CSV to write, or with --on a folder of parquet files.",
            show_default="standard output",
        ),
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    all_faces: Annotated[
        bool,
        typer.Option(
            "--all-faces",
            help="One row per face, not only for the main one; a photo without a face keeps a row.",
        ),
    ] = False,
    on: On = None,
    part: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="Photos per parquet file, with --on.", show_default="10240"
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """Predict mask, gender and age band of photos, with the 18 probabilities, as CSV.

    With --on, for millions of photos, as parquet files. Repeat the command to resume.
    """
    from maskgate.core import files
    from maskgate.imaging import photo_files

    if on is None:
        if part is not None:
            raise MaskgateError("--part needs --on; give both, or neither")
        if urls := [place for place in photos if photo_files.is_address(place)]:
            raise MaskgateError(f"{urls[0]}: photos at a URL need --on ray")
        if out is not None:
            files.check_target(out)
    photo_files.check_photos(photos)
    if on is not None:
        if out is None:
            raise MaskgateError("--on writes a folder of parquet files; name it with --out")

        from maskgate.cluster import bulk

        options = bulk.BulkJob(
            model,
            photos,
            out,
            part or bulk.PART,
            all_faces=all_faces,
            cache=cache,
            trust=trust,
        )
        report = bulk.predict(options, on)
        terminal.show(report.sentence())
        if not skip_faulty:
            report.refuse_faults()
        return

    from maskgate.core.progress import say
    from maskgate.inference import loading
    from maskgate.inference.resume_cache import ResumeCache

    predictor = loading.load(model, cache, trust=trust)
    paths = photo_files.list_photos([Path(place) for place in photos])
    if out is None:
        terminal.write(predictor.predict(paths, skip_faulty, all_faces).to_csv())
        return
    resume = ResumeCache(out, f"{predictor.digest}, all faces: {all_faces}")
    predictions = predictor.predict(paths, skip_faulty, all_faces, resume)
    files.replace_text(out, predictions.to_csv())
    resume.delete()
    say(f"{out}: {len(predictions)} rows")
