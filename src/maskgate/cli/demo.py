"""The command demo."""

from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import app


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to work in.")] = Path("demo"),
    people: Annotated[
        int, typer.Option(min=24, max=100_000, help="Generated people to train on.")
    ] = 160,
) -> None:
    """Generated people → train → submit → report, scored against the truth, in minutes."""
    from maskgate.core import files

    files.check_folder(out)

    from maskgate import demo as whole

    whole.run(out, people)
