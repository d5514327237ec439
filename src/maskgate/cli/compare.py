"""Commands on finished runs: runs, compare, report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from maskgate.cli.app import PhotosOfRun, app, check_runs, existing_run
from maskgate.core import files, progress, terminal
from maskgate.errors import MaskgateError


def _existing_folder(folder: Path) -> Path:
    from maskgate.runs.records.faults import no_runs

    if not folder.exists():
        raise no_runs(folder)
    return folder


@app.command()
def runs(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            envvar="SM_MODEL_DIR",
            help="Folder of run folders.",
            callback=_existing_folder,
        ),
    ] = Path("runs"),
    sort: Annotated[
        Literal["date", "score", "name"],
        typer.Option("--sort", help="Oldest first, best first, or by name."),
    ] = "date",
    text: Annotated[
        str,
        typer.Option(
            "--filter", metavar="TEXT", help="Only runs with TEXT in name, recipe or settings."
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all columns as JSON instead.")
    ] = False,
    csv_file: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write all columns to a CSV.", show_default=False
        ),
    ] = None,
) -> None:
    """List runs: recipe, differing settings, score with its interval, time."""
    if csv_file is not None:
        files.check_target(csv_file)
        if csv_file.exists():
            raise MaskgateError(f"{csv_file}: exists already; name another --csv, or remove it")

    from maskgate.reports import listing, run_export

    rows = listing.chosen(folder, sort, text)
    if csv_file is not None:
        run_export.write_csv(rows, csv_file)
    if as_json:
        terminal.write(run_export.as_json(rows))
    else:
        listing.print_table(rows)
    if csv_file is not None:
        progress.say(str(csv_file))


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNS",
            help="Run folders, or folders of them. The first run is the reference.",
            callback=check_runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Page to write (.html), or its folder."),
    ] = None,
    power: Annotated[
        float | None,
        typer.Option(
            metavar="DIFFERENCE",
            min=0.0001,
            max=1,
            help="Also print how many people are needed to detect this difference in score.",
        ),
    ] = None,
) -> None:
    """Compare runs: paired differences of out-of-fold scores, with intervals and a verdict."""
    from maskgate.reports import targets

    page_and_csv = None if out is None else targets.of_comparison(out)

    from maskgate.evaluation import compare as comparison
    from maskgate.reports import compare as compare_page

    summary = comparison.compare(runs)
    compare_page.show(summary, power)
    if page_and_csv is not None:
        compare_page.write(summary, *page_and_csv, power)
        terminal.show(page_and_csv[0])


@app.command()
def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder.", callback=existing_run)
    ],
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Show photos on the page.")
    ] = True,
    data: PhotosOfRun = None,
) -> None:
    """Rebuild a run's report.html."""
    from maskgate import runs as run_folders

    opened = run_folders.open_run(run)

    from maskgate.reports import run as run_report

    terminal.show(run_report.write(opened, photos, data))
