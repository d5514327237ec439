"""Commands on what a network sees: explain, embed."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from maskgate.cli.app import (
    Cache,
    DetectorName,
    PhotosOfRun,
    SkipFaulty,
    Trust,
    app,
    check_runs,
    existing_run,
)
from maskgate.core import extras, terminal
from maskgate.errors import MaskgateError

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder of one model.", callback=existing_run)
]
_MOST = 200  # photos to explain one by one


@app.command()
def explain(
    run: RunFolder,
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PHOTOS]...",
            help="Photos to explain, or folders of photos, by default a sample of the validated"
            " photos.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the page and the tables.",
            show_default="explain, or explain-2 and so on if it exists",
        ),
    ] = None,
    method: Annotated[
        Literal["grad_cam", "grad_cam_plus_plus", "occlusion"],
        typer.Option(help="How heat is computed; occlusion uses no gradients."),
    ] = "grad_cam",
    others: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="RUN",
            help="Another run: people whom all runs get wrong are marked. Repeat for several.",
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=20, max=100_000, help="Validated photos to explain.")
    ] = 600,
    fold: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Explain only this fold's network.",
            show_default="all; the first for PHOTOS and for the map",
        ),
    ] = None,
    detector: DetectorName = "auto",
    show_photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Show photos on the page.")
    ] = True,
    data: PhotosOfRun = None,
    cache: Cache = None,
    trust: Trust = False,
) -> None:
    """Show what a model looks at: heat maps, and the score when faces or backgrounds are changed.

    Each photo is explained by the network that was not trained on it.
    """
    from maskgate import runs
    from maskgate.config.settings import Component
    from maskgate.core import files
    from maskgate.faces import detectors
    from maskgate.imaging import photo_files

    check_runs(others or [])
    photo_files.check_photos(photos or [])
    detectors.check(Component(name=detector))
    out = out or files.free(Path("explain"))
    files.check_folder(out)
    files.check_new(out / "explain.html")
    opened = runs.open_model(run, trust=trust)
    other_runs = [runs.open_run(each, trust=trust) for each in others or []]
    if photos and other_runs:
        raise MaskgateError("--with compares validated photos; leave out PHOTOS, or --with")
    if photos and data is not None:
        raise MaskgateError("--data is where validated photos are; leave out PHOTOS, or --data")
    if method != "occlusion":
        extras.check_package("pytorch_grad_cam", f"--method {method}")

    from maskgate.explain import explaining
    from maskgate.reports import explain as explain_page
    from maskgate.reports import mistakes

    options = explaining.Options(
        cache or files.cache_folder(),
        method,
        photos=sample,
        fold=fold,
        detector=detector,
        root=mistakes.root(opened, data),
    )
    if photos:
        paths = photo_files.list_photos(map(Path, photos))
        if len(paths) > _MOST:
            raise MaskgateError(
                f"{len(paths):,} photos are too many to look at; give at most {_MOST}"
            )
        explanation = explaining.of_photos(opened, paths, options)
    else:
        explanation = explaining.of_validation(opened, options, other_runs)
    page = explain_page.write(explanation, out, show_photos)
    for measured in explanation.sensitivities:
        terminal.show(measured.sentence)
    terminal.show(page)


@app.command()
def embed(
    run: RunFolder,
    photos: Annotated[
        list[str],
        typer.Argument(metavar="PHOTOS...", help="Photos, folders of photos, or CSVs of them."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, parquet.")] = Path(
        "features.parquet"
    ),
    fold: Annotated[
        int | None,
        typer.Option(min=0, help="Fold whose network is used.", show_default="the first"),
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    trust: Trust = False,
) -> None:
    """Write embeddings of photos, the model's features before its head, as a parquet table."""
    from maskgate import runs
    from maskgate.core import files
    from maskgate.imaging import photo_files

    photo_files.check_photos(photos)
    files.check_target(out)
    opened = runs.open_model(run, trust=trust)

    from maskgate.explain import features

    embedding = features.write(
        opened,
        list(map(Path, photos)),
        out,
        fold=fold,
        cache=cache,
        skip_faulty=skip_faulty,
    )
    terminal.show(
        f"{out}: {embedding.features} features of {embedding.photos:,} photos, by the network of"
        f" fold {embedding.fold}"
    )
