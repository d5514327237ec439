"""The command demo."""

from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import app


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Working folder.")] = Path("demo"),
    people: Annotated[
        int, typer.Option(min=24, max=100_000, help="Generated people to train on.")
    ] = 160,
) -> None:
    """Draw people, train on them, predict new ones and score the predictions, in minutes."""
    from maskgate.core import files

    files.check_folder(out)

    from maskgate import demo as demonstration

    demonstration.run(out, people)
