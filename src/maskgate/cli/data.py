"""Commands on photos: inspect, faces, wear."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import (
    WORKERS,
    Cache,
    Data,
    DetectorName,
    SkipFaulty,
    app,
    data_there,
    path_and_recipe,
)
from maskgate.core import terminal
from maskgate.errors import MaskgateError


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
        typer.Option(metavar="RECIPE", help="Show the photos after a recipe's transforms."),
    ] = None,
) -> None:
    """Check a data set: a page that describes it, and a table of its problems."""
    from maskgate.core import files

    files.check_folder(out)
    shown = None if recipe is None else path_and_recipe(recipe)

    from maskgate.data import checks
    from maskgate.pipeline import inspection
    from maskgate.reports import inspect as inspect_page
    from maskgate.reports.recipe_picture import Effects

    effects = None if shown is None else Effects(shown[0].stem, shown[1], cache)
    found = inspection.inspect(data, cache or files.cache_folder())
    page, problems = inspect_page.write(found, out, photos, effects)
    for line in checks.summary(found.problems):
        terminal.show(line)
    fatal = sum(problem.fatal for problem in found.problems)
    terminal.show(f"{len(found.problems)} problems, {fatal} of which stop a training: {problems}")
    terminal.show(page)


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
        typer.Option(metavar="RECIPE", help="Use the detector of a recipe instead."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, parquet.")] = Path(
        "boxes.parquet"
    ),
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Detect the faces in every photo: a table of boxes, and how many photos have a face.

    The boxes stay in the cache: training with the same detector takes them from there.
    """
    from maskgate.config import settings
    from maskgate.config.settings import Component
    from maskgate.core import files
    from maskgate.faces import detectors

    files.check_target(out)
    given = dict(map(settings.split, arguments or []))
    if "name" in given:
        raise MaskgateError("name: is no argument of a detector; name one with --detector")
    wanted = Component(name=detector, **given)
    if recipe is not None:
        path, loaded = path_and_recipe(recipe)
        face = loaded.photo.face
        if face is None:
            raise MaskgateError(f"{path}: has no photo.face; name a detector with --detector")
        if wanted != Component(name="auto"):
            raise MaskgateError("a recipe and a detector are given; give one of them")
        wanted = face.detector
    folder = cache or files.cache_folder()
    finder = detectors.create(wanted, folder)

    from maskgate.faces import boxes, survey

    found = survey.find(data, finder, folder, skip_faulty)
    boxes.write(out, found.faces)
    for line in found.sentences():
        terminal.show(line)
    terminal.show(f"{out}: {len(found.faces)} rows")


@app.command()
def wear(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FACES",
            help="Bare faces: a CSV, a folder of people, or UTKFace-style names.",
            callback=data_there,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Random seed of the masks.")] = 7,
    detector: DetectorName = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=WORKERS, help="Worker processes.", show_default="all cores"),
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
) -> None:
    """Draw masks on bare faces: seven photos per person, and a table of their labels.

    Repeat the command to resume.
    """
    from maskgate.config.settings import Component
    from maskgate.core import files
    from maskgate.faces import detectors

    wanted = Component(name=detector)
    detectors.check(wanted)
    files.check_folder(out)

    from maskgate.data import checks, layouts
    from maskgate.synthetic.masks import people

    photos = layouts.read(source)
    checks.refuse(photos.problems, source, skip_faulty)
    folder = cache or files.cache_folder()
    found = detectors.create(wanted, folder)
    dressed = people.dress(
        photos,
        found,
        out,
        seed=seed,
        folder=folder,
        source=source,
        skip_faulty=skip_faulty,
        workers=workers,
    )
    left_out = {
        f"people ({why}; left_out.csv)": count
        for why, count in Counter(dressed.left_out.values()).items()
    } | {
        "photos that show a mask already": dressed.masked,
        "further photos of a person": dressed.other_photos,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    terminal.show(f"{out}: {dressed.photos:,} photos of {dressed.people:,} people")
    if told:
        terminal.show(f"left out: {told}")
