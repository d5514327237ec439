"""The command note."""

from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import app, existing_run
from maskgate.core import authors, terminal


@app.command()
def note(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder.", callback=existing_run)
    ],
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]",
            help='The note in quotes, such as "hypothesis | result | cause". Without it, the notes'
            " are printed.",
        ),
    ] = None,
    author: Annotated[
        str | None, typer.Option(help="Author of the note.", show_default="your user name")
    ] = None,
) -> None:
    """Add a note to a run: what you expected, what came out, and why.

    Notes stay in the run's folder; report, runs and compare show them. A run that is still training
    takes notes, too.
    """
    from maskgate import runs
    from maskgate.runs.records import notes

    name = authors.name(author) if text is not None or author is not None else None
    if text is not None:
        notes.check(text)
    opened = runs.find_run(run)
    if text is None:
        for each in opened.notes():
            terminal.show(each)
        return
    terminal.show(opened.add_note(text, name))
    page = f"`maskgate report {run}` shows it on the run's page"
    when = "" if opened.files.is_finished else ", once it is finished"
    terminal.show(f"{opened.notes_file}; {page}{when}")
