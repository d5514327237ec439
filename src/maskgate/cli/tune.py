"""The command tune."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import (
    Cache,
    Changes,
    CheckpointSeconds,
    DataOrChange,
    RecipeName,
    SkipFaulty,
    Trust,
    Workers,
    app,
    checked_recipe,
    data_and_overrides,
)
from maskgate.cli.cluster_options import GpusPerTask, On, cluster_of
from maskgate.cli.label_options import with_label_map
from maskgate.core import extras, terminal

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


@app.command()
@with_label_map
def tune(
    recipe: RecipeName,
    data: DataOrChange = None,
    overrides: Changes = None,
    space: Annotated[
        str, typer.Option(help="Search space: a file, or the name of an included one.")
    ] = "finetune",
    trials: Annotated[
        int,
        typer.Option(min=1, max=1_000_000, help="Number of trials, over all processes."),
    ] = 30,
    out: Annotated[
        Path | None, typer.Option(help="Study folder.", show_default="tune/<recipe>-<hash>")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="MASKGATE_STORAGE",
            help="URL of a database that several machines share: postgresql://…, mysql://…",
            show_default="a file in the study folder",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the sampler.")] = 7,
    prune_after: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Complete trials before pruning starts.")
    ] = 5,
    on: On = None,
    gpus_per_task: GpusPerTask = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Search hyperparameters of a recipe. Repeat the command to resume."""
    from maskgate.core import files
    from maskgate.studies import space as spaces
    from maskgate.training.options import TrainOptions

    folder, changes = data_and_overrides(data, overrides, label_map)
    path, _ = checked_recipe(recipe, changes)
    cluster = cluster_of(on, gpus_per_task)
    space_file = spaces.find(space)
    files.check_folder(out or Path("tune"))
    options = TrainOptions(
        name=path.stem,
        data=folder,
        out=out,
        cache=cache,
        skip_faulty=skip_faulty,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
        trust=trust,
    )

    extras.check("search", "maskgate tune")  # it includes the extra train

    from maskgate.studies import tune as tuning
    from maskgate.studies.study import Search

    search = Search(
        recipe=recipe,
        path=path,
        changes=changes,
        options=options,
        trials=trials,
        seed=seed,
        prune_after=prune_after,
        storage=storage or None,
    )
    if cluster is not None:
        tuning.check_shared(search)
    search = tuning.plan(search, space_file)
    terminal.show(tuning.closing_text(tuning.tune(search, cluster), search.folder))
