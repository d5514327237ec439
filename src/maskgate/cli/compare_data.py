"""The command compare-data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import Cache, DetectorFile, Trust, app, existing_data, existing_run
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap

_LAYOUTS = "Folder of people or of classes, CSV of photos, or Parquet or Arrow data set."


@app.command("compare-data")
@with_label_map
def compare_data(
    a: Annotated[
        Path, typer.Argument(metavar="A", help=f"First set. {_LAYOUTS}", callback=existing_data)
    ],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="Second set, likewise.", callback=existing_data)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Page to write.")] = Path(
        "compare-data.html"
    ),
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="Run that detects faces and computes features and answers, not a bundle.",
            callback=existing_run,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            help="Bundle that detects faces and computes features and answers.",
            show_default="the default model",
        ),
    ] = None,
    photos: Annotated[
        int,
        typer.Option(min=20, max=20_000, help="Photos to measure in each set, of random people."),
    ] = 1000,
    detector_file: DetectorFile = None,
    cache: Cache = None,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Compare two sets of photos: where they differ, and what is in both.

    Only statistically significant differences are named; intervals are over people.
    """
    from maskgate import runs
    from maskgate.bundle import is_bundle
    from maskgate.core import default_model, extras, files

    if out.suffix != ".html":
        raise MaskgateError(f"{out}: a page ends in .html; name such a file")
    if run is not None and model is not None:
        raise MaskgateError("both --run and --model are given; give one of them")
    if run is not None and detector_file is not None:
        raise MaskgateError("--detector-file is for bundles; leave it out with --run")
    if model is not None and not is_bundle(model):
        raise MaskgateError(f"{model}: not a bundle; give a folder or zip from `maskgate export`")
    files.check_target(out)
    files.check_new(out)
    opened = None if run is None else runs.open_model(run, trust=trust)
    extras.check_package("scipy", "maskgate compare-data")

    from maskgate.dataset_shift import comparing, sets, views
    from maskgate.reports import compare_data as page

    folder = cache or files.cache_folder()
    chosen = (
        views.of_bundle(
            model or default_model.folder(),
            "the default model" if model is None else model.name,
            folder,
            detector_file,
        )
        if opened is None
        else views.of_run(opened, folder)
    )
    names = sets.names_of(a, b)
    first, second = (
        sets.read(data, name, label_map, cache=folder, size=photos)
        for data, name in zip((a, b), names, strict=True)
    )
    comparison = comparing.compare(first, second, chosen, folder)
    page.write(comparison, out)
    for line in comparison.sentences:
        terminal.show(line)
    terminal.show(out)
