"""The command recipes."""

from typing import Annotated

import typer

from maskgate.cli.app import app


@app.command()
def recipes(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Only those with TEXT in name or purpose."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the recipes and systems that ship: purpose, score, time, needs."""
    from maskgate.reports import recipe_list

    recipe_list.show(words or [], as_json)
