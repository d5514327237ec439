"""The command dashboard."""

from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import app
from maskgate.core import authors, extras, files, terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.runs.sources import Source


@app.command()
def dashboard(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNS]...",
            help="Folders of run folders; NAME=FOLDER names their owner.",
            show_default="runs",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Page to write (.html).", show_default="dashboard.html, if free"
        ),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Serve a live page on this machine instead: runs in training, notes, and a verdict"
            " on any two.",
        ),
    ] = False,
    author: Annotated[
        str | None,
        typer.Option(
            help="Author of notes that are written on the live page.",
            show_default="your user name",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the live page.", show_default="any free one"),
    ] = None,
    opens: Annotated[bool, typer.Option("--open", help="Open the live page in a browser.")] = False,
) -> None:
    """Show all runs on one page: scores, overlaid curves, settings, verdicts, notes."""
    from maskgate.runs import sources as run_sources

    sources = run_sources.read(folders or ["runs"])
    if author is not None:
        authors.name(author)
    if serve:
        _serve(sources, out, author, port=port, opens=opens)
        return
    if author is not None or port is not None or opens:
        raise MaskgateError("--author, --port and --open belong to --serve; give it, or drop them")
    page = _free_page() if out is None else out
    if page.suffix != ".html":
        raise MaskgateError(f"{page}: a page ends in .html; name such a file")
    files.check_target(page)
    files.check_new(page)

    from maskgate.dashboard import page as dashboard_page

    dashboard_page.write(sources, page)
    terminal.show(page)


def _serve(
    sources: "list[Source]", out: Path | None, author: str | None, *, port: int | None, opens: bool
) -> None:
    if out is not None:
        raise MaskgateError("--out is for a page that is written; drop it, or --serve")
    name = authors.name(author)
    extras.check("train", "maskgate dashboard")
    extras.check("door", "maskgate dashboard --serve")

    from maskgate.dashboard import server

    server.serve(sources, name, port=port or 0, opens=opens)


def _free_page() -> Path:
    """`dashboard.html`, or the first of `dashboard-2.html`, `dashboard-3.html` … that is free."""
    names = chain(["dashboard"], (f"dashboard-{number}" for number in count(2)))
    pages = (Path(f"{name}.html") for name in names)
    return next(page for page in pages if not page.exists())
