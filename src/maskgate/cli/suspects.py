"""The command suspects."""

from pathlib import Path
from typing import Annotated, Final

import typer

from maskgate.cli.app import Cache, PhotosOfRun, Trust, app, existing_run
from maskgate.core import terminal
from maskgate.errors import MaskgateError

_DEFAULT: Final = "default"  # the name of the default model as an opinion
_TABLES: Final = (".csv", ".tsv")


@app.command()
def suspects(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder.", callback=existing_run)
    ],
    opinion: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CSV|MODEL",
            help="An outside opinion: a CSV with photo or person, and mask, gender or age; or a"
            " model that never saw these people, a run or a bundle, or `default` for the model that"
            " is part of maskgate. Repeat for several.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder of suspects.csv and suspects.html.",
            show_default="the run's folder",
        ),
    ] = None,
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Show photos on the page.")
    ] = True,
    data: PhotosOfRun = None,
    cache: Cache = None,
    trust: Trust = False,
) -> None:
    """List labels that are probably wrong, with the reason and the probability.

    The run's out-of-fold probabilities are compared with the labels, all photos of a person
    together.
    """
    from maskgate.core import extras, files

    places = [_opinion(word) for word in opinion or []]
    if out is not None:
        files.check_folder(out)

    from maskgate import runs

    opened = runs.open_run(run, trust=trust)
    extras.check("labels", "maskgate suspects")

    from maskgate.label_errors import suspects as search
    from maskgate.reports import suspects as page

    result = search.of_run(opened, places, cache or files.cache_folder(), trust)
    folder = out or opened.path
    with files.new_folder(folder):
        written = page.write(result, opened, folder, photos, data=data)
    page.show(result)
    for path in written:
        terminal.show(path)


def _opinion(word: str) -> Path:
    """The path that an opinion names. Raises MaskgateError where it is neither a CSV nor a
    model."""
    from maskgate import runs
    from maskgate.core import default_model, files

    if word == _DEFAULT:
        return default_model.folder()
    path = Path(word)
    files.check_name(path)
    if not path.exists():
        raise MaskgateError(
            f"{word}: no such opinion; give a CSV, a run, a bundle, or {_DEFAULT} for the model"
            " that is part of maskgate"
        )
    if path.suffix.lower() in _TABLES or runs.is_bundle(path) or runs.is_run(path):
        return path
    raise MaskgateError(f"{word}: no CSV, run or bundle, so it is no opinion; give one of them")
