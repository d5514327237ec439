"""The command accept."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import app, number
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.door.acceptance.page import Check

_NOT_ACCEPTED = 1  # exit code: the check worked, and the door may not open


def _day(text: str | None) -> str | None:
    """A date as YYYY-MM-DD. Raises BadParameter."""
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter(f"{text} is not a date such as 2026-11-27") from None


@app.command()
def accept(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Address of the running service.")
    ] = "http://127.0.0.1:8000",
    door: Annotated[
        str, typer.Option(help="Name of the door whose kiosk is checked: ?door=NAME.")
    ] = "main",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MASKGATE_TOKEN",
            help="Token of the service, if it needs one; other users of this machine may read it on"
            " the command line.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token.", show_default=False)
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="Certificate of the service, in PEM.", show_default="those that the system trusts"
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE|FILE",
            help="Language of the check and its page: en, ko, or a JSON file of your own.",
            show_default="the system's, or en",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Page to write.")] = Path(
        "acceptance.html"
    ),
    site: Annotated[str | None, typer.Option(help="Name of the site, for the page.")] = None,
    date: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="Date of the check, for the page.", callback=_day),
    ] = None,
    let_through: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=20,
            help="Minimum number of people let through, of those who may pass.",
            show_default="all but one",
        ),
    ] = None,
    stopped: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=20,
            help="Minimum number of others who get the right verdict.",
            show_default="all but two",
        ),
    ] = None,
    median: Annotated[
        float,
        typer.Option(
            min=0.1, max=60, callback=number, help="Maximum median time to a verdict, seconds."
        ),
    ] = 3.0,
    slowest: Annotated[
        float,
        typer.Option(
            min=0.1, max=60, callback=number, help="Maximum 95% quantile of this time, seconds."
        ),
    ] = 8.0,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Only write a page of the passages so far, OUT-partial."),
    ] = False,
) -> None:
    """Check a door on site: twenty guided passages, and a page that says whether it may open.

    Needs a running `maskgate serve` with /kiosk open. Repeat the command to resume.

    Exit code 0: the door may open; 1: it may not.
    """
    from maskgate.core import files
    from maskgate.door.acceptance import texts as languages
    from maskgate.door.server import access

    if out.suffix != ".html":
        raise MaskgateError(f"{out}: a page ends in .html; name such a file")
    page = out.with_name(f"{out.stem}-partial.html") if partial else out
    files.check_target(page)
    files.check_new(page)
    texts = languages.load(language or languages.default())
    if token_file is not None:
        if token is not None:
            raise MaskgateError("both --token and --token-file are given; give one of them")
        token = access.read_token(token_file)

    from maskgate.door.acceptance import check as checks

    check = checks.run(
        checks.Options(
            url,
            door,
            out,
            texts,
            token=None if token is None else token.strip(),
            certificate=certificate,
            site=site,
            date=date,
            let_through=let_through,
            stopped=stopped,
            median=median,
            slowest=slowest,
            partial=partial,
        ),
        page,
    )
    _conclude(check, page)


def _conclude(check: "Check", page: Path) -> None:
    from maskgate.door.acceptance.page import explanation

    terminal.show(check.texts.labels[check.conclusion])
    terminal.show(explanation(check))
    terminal.show(page)
    if check.conclusion != "open":
        raise typer.Exit(_NOT_ACCEPTED)
