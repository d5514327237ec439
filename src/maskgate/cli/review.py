"""The command review."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maskgate.cli.app import app, existing_data_if_given, existing_run
from maskgate.cli.label_options import with_label_map
from maskgate.core import authors, extras, files, terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


def _existing_source(source: Path | None) -> Path | None:
    """A run, or a CSV. Raises MaskgateError if it does not exist."""
    if source is not None and source.suffix.lower() == ".csv":
        files.check_name(source)
        files.content(source, "a CSV of suspects", 0)
        return source
    return existing_run(source)


@app.command()
@with_label_map
def review(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|SUSPECTS]",
            help="A run, whose suspects.csv is reviewed, or else the labels that it contradicts;"
            " or a CSV with the columns person,attribute,label,predicted_label.",
            show_default=False,
            callback=_existing_source,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of people, or a CSV of photos.",
            show_default="the photos of the run",
            callback=existing_data_if_given,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run whose predictions and similar people are shown beside the suspects.",
            show_default=False,
            callback=existing_run,
        ),
    ] = None,
    opinion: Annotated[
        Path | None,
        typer.Option(
            help="CSV of another opinion: photo or person, and mask, gender, age or age_band, such"
            " as `maskgate predict` writes.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Corrections, for labels.corrections of a recipe.")
    ] = Path("corrections.csv"),
    author: Annotated[
        str | None, typer.Option(help="Who reviews.", show_default="this user's name")
    ] = None,
    tier: Annotated[
        Literal["sure", "likely", "doubtful"], typer.Option(help="How sure the corrections are.")
    ] = "likely",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    opens: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B",
            help="Compare two reviewers' corrections instead: agreement, Cohen's kappa, merged"
            " corrections in --out, and what to settle in OUT-disagreements.csv.",
            show_default=False,
        ),
    ] = None,
    settled: Annotated[
        Path | None,
        typer.Option(
            help="Corrections of a review of the disagreements: they decide in --compare.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Write a page (.html) of all corrections in --out instead, with their photos.",
            show_default=False,
        ),
    ] = None,
    *,
    label_map: "LabelMap",
) -> None:
    """Review labels that may be wrong: a local page, one key per label.

    Each decision is saved at once. Repeat the command to resume.
    """
    if compare is not None:
        _compare(compare, settled, out, others=(source, data, run, opinion, page))
        return
    if settled is not None:
        raise MaskgateError("--settled belongs to --compare; give both, or neither")
    if page is not None:
        _write_page(page, out, source or run, data, label_map=label_map)
        return
    if source is None:
        raise MaskgateError("nothing to review; give a run, or a CSV of suspects")
    is_csv = source.suffix.lower() == ".csv"
    if not is_csv and run is not None:
        raise MaskgateError("both a RUN and --run are given; give one of them")
    if is_csv and run is None and data is None:
        raise MaskgateError(f"{source}: names people, not photos; give --data or --run")
    name = authors.name(author)
    if opinion is not None:
        _check_opinion(opinion)
    files.check_target(out)
    extras.check("door", "maskgate review")

    from maskgate import runs as run_folders

    run = run if is_csv else source
    opened = None if run is None else run_folders.open_run(run)

    from maskgate.review import start

    start.serve(
        start.Options(
            suspects=source if is_csv else None,
            run=opened,
            data=data,
            opinion=opinion,
            out=out,
            author=name,
            tier=tier,
            label_map=label_map,
        ),
        port,
        opens,
    )


def _check_opinion(file: Path) -> None:
    """Raise MaskgateError if it is no CSV."""
    from maskgate.data import csv_files

    if not csv_files.header(file):
        raise MaskgateError(
            f"{file}: no CSV with a header; --opinion names one, such as maskgate predict writes"
        )


def _compare(
    pair: tuple[Path, Path], settled: Path | None, out: Path, others: tuple[Path | None, ...]
) -> None:
    if any(each is not None for each in others):
        raise MaskgateError("--compare needs nothing but --settled and --out; drop the others")
    for path in (*pair, *([settled] if settled is not None else [])):
        files.content(path, "the corrections of a reviewer", 0)
    targets = (out, out.with_name(f"{out.stem}-disagreements.csv"))
    for target in targets:
        files.check_target(target)
    files.check_new(*targets)

    from maskgate.review import agreement

    agreement.run(pair, settled, *targets)
    for target in targets:
        terminal.show(target)


def _write_page(
    page: Path, out: Path, run: Path | None, data: Path | None, *, label_map: "LabelMap"
) -> None:
    if page.suffix != ".html":
        raise MaskgateError(f"{page}: a page ends in .html; name such a file")
    files.check_target(page)
    files.content(out, "corrections", 0)
    if data is None and (run is None or run.suffix.lower() == ".csv"):
        raise MaskgateError("--page shows photos; give --data, or the run")

    from maskgate import runs as run_folders

    opened = None if data is not None or run is None else run_folders.open_run(run)

    from maskgate.review import corrected

    corrected.write(page, out, opened, data, label_map=label_map)
    terminal.show(page)
