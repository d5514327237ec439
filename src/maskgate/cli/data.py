"""Commands on photos: inspect, faces, wear, uncover."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import (
    WORKERS,
    Cache,
    Data,
    DetectorName,
    SkipFaulty,
    app,
    existing_data,
    path_and_recipe,
)
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap
    from maskgate.data.table import Photos
    from maskgate.faces.protocol import Detector


@app.command()
@with_label_map
def inspect(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the page and the table.",
            show_default="inspect, or inspect-2 and so on if it exists",
        ),
    ] = None,
    cache: Cache = None,
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Show photos on the page.")
    ] = True,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="Show the photos after a recipe's transforms."),
    ] = None,
    *,
    label_map: "LabelMap",
) -> None:
    """Check a data set: a page that describes it, and a table of its problems."""
    from maskgate.core import files

    out = out or files.free(Path("inspect"))
    files.check_folder(out)
    files.check_new(out / "inspect.html", out / "problems.csv")
    loaded = None if recipe is None else path_and_recipe(recipe)

    from maskgate.data import checks
    from maskgate.pipeline import inspection
    from maskgate.reports import inspect as inspect_page
    from maskgate.reports.recipe_picture import Effects

    effects = None if loaded is None else Effects(loaded[0].stem, loaded[1], cache)
    findings = inspection.inspect(data, cache or files.cache_folder(), label_map)
    page, problems_file = inspect_page.write(findings, out, photos, effects)
    problems = findings.problems
    for line in checks.summary(problems):
        terminal.show(line)
    fatal = sum(problem.fatal for problem in problems)
    for remedy in dict.fromkeys(problem.remedy for problem in problems if problem.remedy):
        terminal.show(f"  {remedy}")
    terminal.show(f"{len(problems)} problems, {fatal} of them blocking: {problems_file}")
    terminal.show(page)


@app.command()
@with_label_map
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
    *,
    label_map: "LabelMap",
) -> None:
    """Detect the faces in every photo: a table of boxes, and how many photos have a face.

    The boxes are cached, and training with the same detector reuses them.
    """
    from maskgate.config import settings
    from maskgate.config.settings import Component
    from maskgate.core import files
    from maskgate.faces import detectors

    files.check_target(out)
    detector_arguments = dict(map(settings.split, arguments or []))
    if "name" in detector_arguments:
        raise MaskgateError("name: is not an argument of a detector; choose one with --detector")
    component = Component(name=detector, **detector_arguments)
    if recipe is not None:
        path, loaded = path_and_recipe(recipe)
        face = loaded.photo.face
        if face is None:
            raise MaskgateError(f"{path}: has no photo.face; choose a detector with --detector")
        if component != Component(name="auto"):
            raise MaskgateError("both a recipe and a detector are given; give one of them")
        component = face.detector
    folder = cache or files.cache_folder()
    face_detector = detectors.create(component, folder)

    from maskgate.faces import boxes, survey

    detections = survey.find(
        data, face_detector, folder, skip_faulty=skip_faulty, label_map=label_map
    )
    boxes.write(out, detections.faces)
    for line in detections.sentences():
        terminal.show(line)
    terminal.show(f"{out}: {len(detections.faces)} rows")


@app.command()
@with_label_map
def wear(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FACES",
            help="Bare faces: a CSV, a folder of people, or UTKFace-style names.",
            callback=existing_data,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Random seed of the masks.")] = 7,
    worn: Annotated[
        int | None,
        typer.Option(min=0, max=99, help="Photos per person with the mask worn.", show_default="5"),
    ] = None,
    incorrect: Annotated[
        int | None,
        typer.Option(
            min=0, max=99, help="Photos per person with it worn incorrectly.", show_default="1"
        ),
    ] = None,
    each_kind: Annotated[
        bool,
        typer.Option(
            "--each-kind",
            help="Instead one photo of each wrong way, and of what could be taken for a mask.",
        ),
    ] = False,
    detector: DetectorName = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=WORKERS, help="Worker processes.", show_default="all cores"),
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Draw masks on bare faces: seven photos per person, and a table of their labels.

    One of the seven has no mask.

    Repeat the command to resume.
    """
    _check_drawing(detector, out)
    if each_kind and (worn, incorrect) != (None, None):
        raise MaskgateError(
            "--each-kind draws one photo of each kind; leave out --worn, --incorrect"
        )

    from maskgate.synthetic.masks import people

    photos, face_detector, folder = _open_faces(
        source, detector, cache, skip_faulty=skip_faulty, label_map=label_map
    )
    masked_people = people.dress(
        photos,
        face_detector,
        out,
        seed=seed,
        folder=folder,
        source=source,
        skip_faulty=skip_faulty,
        workers=workers,
        worn=5 if worn is None else worn,
        incorrect=1 if incorrect is None else incorrect,
        each_kind=each_kind,
    )
    left_out = {
        f"people ({reason}; left_out.csv)": count
        for reason, count in Counter(masked_people.left_out.values()).items()
    } | {
        "photos that show a mask already": masked_people.masked,
        "extra photos of a person": masked_people.other_photos,
    }
    skipped = ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    terminal.show(f"{out}: {masked_people.photos:,} photos of {masked_people.people:,} people")
    if skipped:
        terminal.show(f"left out: {skipped}")


@app.command()
@with_label_map
def uncover(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Photos of masks worn and of bare faces: a CSV, or a folder of people.",
            callback=existing_data,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to write.")],
    seed: Annotated[int, typer.Option(help="Random seed.")] = 7,
    incorrect: Annotated[
        int, typer.Option(min=1, max=99, help="Photos per photo of a mask that is worn.")
    ] = 4,
    detector: DetectorName = "auto",
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Make photos of masks worn incorrectly from photos of masks that are worn.

    Nose or mouth of a bare face are pasted over the upper part of the mask.
    """
    _check_drawing(detector, out)

    from maskgate.synthetic.masks import uncover as uncovering

    photos, face_detector, folder = _open_faces(
        source, detector, cache, skip_faulty=skip_faulty, label_map=label_map
    )
    result = uncovering.uncover(
        photos,
        face_detector,
        out,
        source=source,
        folder=folder,
        seed=seed,
        incorrect=incorrect,
        skip_faulty=skip_faulty,
    )
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(result.counts.items()))
    terminal.show(
        f"{out}: {counts}, from {result.worn:,} faces with a mask and {result.bare:,} bare"
    )


def _check_drawing(detector: str, out: Path) -> None:
    """Raise MaskgateError for a detector or a folder that cannot be used. Imports nothing heavy."""
    from maskgate.config.settings import Component
    from maskgate.core import files
    from maskgate.faces import detectors

    detectors.check(Component(name=detector))
    files.check_folder(out)


def _open_faces(
    source: Path, detector: str, cache: Path | None, *, skip_faulty: bool, label_map: "LabelMap"
) -> "tuple[Photos, Detector, Path]":
    """The photos of a data set, the face detector for them, and the folder of the cache. Raises
    MaskgateError."""
    from maskgate.config.settings import Component
    from maskgate.core import files
    from maskgate.data import checks, layouts
    from maskgate.faces import detectors

    photos = layouts.read(source, label_map, cache)
    checks.refuse(photos.problems, source, skip_faulty)
    folder = cache or files.cache_folder()
    return photos, detectors.create(Component(name=detector), folder), folder
