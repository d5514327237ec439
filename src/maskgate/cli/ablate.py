"""The command ablate: one change of a recipe at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from maskgate.cli.app import (
    Cache,
    DataOrChange,
    On,
    RecipeName,
    SkipFaulty,
    Trust,
    Workers,
    app,
    checked_recipe,
    data_and_overrides,
    typed,
)
from maskgate.cli.app import Changes as Overrides
from maskgate.core import terminal


@app.command()
def ablate(
    recipe: RecipeName,
    data: DataOrChange = None,
    overrides: Overrides = None,
    changes: Annotated[
        Path | None,
        typer.Option("--changes", help="YAML file of changes: a name, and its key.sub: value."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--change", help="A change key.sub=value; repeat for several."),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Seeds of the reference and of every change."),
    ] = 3,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of runs.", show_default="ablate/<recipe>"),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Print the plan and the estimated time; do not train.")
    ] = False,
    on: On = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    trust: Trust = False,
) -> None:
    """Ablation: change one setting of a recipe at a time, and report which changes matter."""
    from maskgate.config import recipe as recipes
    from maskgate.core import files
    from maskgate.studies import changes as kinds
    from maskgate.training.options import TrainOptions

    source, own = data_and_overrides(data, overrides)
    path, _ = checked_recipe(recipe, own)
    folder = out or Path("ablate") / path.stem
    files.check_folder(folder)
    given = list(map(kinds.given, change or []))
    wanted = [*(kinds.read(changes) if changes else []), *given]
    options = TrainOptions(
        name=path.stem,
        data=source,
        cache=cache,
        skip_faulty=skip_faulty,
        workers=workers,
        command=typed(),
        trust=trust,
    )

    def load(more: Sequence[str]) -> recipes.Recipe:
        return recipes.load(path, [*own, *more])

    kinds.check(given, load)

    from maskgate.reports import ablate as page
    from maskgate.studies import ablate as study

    if not wanted:
        wanted = study.possible(load, kinds.leave_one_out(load([])), options)
    planned = study.plan(load, wanted, seeds, folder=folder, options=options)
    rows = [(each.name, told) for each, told in zip(planned.changes, planned.differs, strict=True)]
    page.announce(rows, len(planned.fits), len(planned.left), study.remaining(planned))
    if listed:
        return
    failed = study.train(planned, on)
    found = study.verdicts(planned)
    page.show(found, failed)
    terminal.show(page.write(found, folder, failed))
