"""Commands that train: train, lr."""

import os
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
    rate,
    typed_command,
)
from maskgate.cli.cluster_options import GpusPerTask, On, cluster_of
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


@app.command()
@with_label_map
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A recipe or system: a file, or the name of an included one."
        ),
    ],
    data: DataOrChange = None,
    overrides: Changes = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="<runs>/<recipe>-<hash>")
    ] = None,
    runs: Annotated[
        Path, typer.Option(envvar="SM_MODEL_DIR", help="Folder of run folders.")
    ] = Path("runs"),
    cache: Cache = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Try every step on at most 64 photos, in seconds.")
    ] = False,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    on: On = None,
    gpus_per_task: GpusPerTask = None,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Train a recipe, or all members of a system. Repeat the command to resume."""
    from maskgate.config.system import System
    from maskgate.core import files
    from maskgate.inference import trainable
    from maskgate.training.options import TrainOptions

    folder, changes = data_and_overrides(data, overrides, label_map)
    cluster = cluster_of(on, gpus_per_task)
    path, loaded = trainable.open_recipe_or_system(recipe, changes)
    if out is not None:
        files.check_folder(out, remedy="give another --out")
    else:
        files.check_folder(runs, remedy="give another --runs")
    options = TrainOptions(
        name=path.stem,
        data=folder,
        out=out,
        runs=runs,
        cache=cache,
        smoke=smoke,
        skip_faulty=skip_faulty,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
        command=typed_command(),
        trust=trust,
    )

    from maskgate.reports import next_steps
    from maskgate.training import crossval, distribute, ensembles, scoring

    if isinstance(loaded, System):
        run = ensembles.train(loaded, options, cluster)
    elif cluster is not None:
        (run,) = distribute.train([(loaded, options)], cluster)
    else:
        run = crossval.train(loaded, options)
    if os.environ.get("RANK", "0") == "0":  # of the processes that `torchrun` started
        terminal.show(scoring.summary(run))
        for line in next_steps.in_terminal(run):
            terminal.show(line)


@app.command()
@with_label_map
def lr(
    recipe: RecipeName,
    data: DataOrChange = None,
    overrides: Changes = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the page and the table.",
            show_default="lr, or lr-2 and so on if it exists",
        ),
    ] = None,
    low: Annotated[float, typer.Option(callback=rate, help="Lowest learning rate.")] = 1e-7,
    high: Annotated[float, typer.Option(callback=rate, help="Highest learning rate.")] = 10.0,
    updates: Annotated[int, typer.Option(min=10, max=100_000, help="Learning rates to try.")] = 100,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Find a learning rate: try rising rates on the first fold, plot the loss, suggest one."""
    from maskgate.core import files
    from maskgate.training.options import TrainOptions

    out = out or files.free(Path("lr"))
    files.check_folder(out)
    files.check_new(out / "lr.html", out / "lr.csv")
    folder, changes = data_and_overrides(data, overrides, label_map)
    path, loaded = checked_recipe(recipe, changes)
    options = TrainOptions(
        path.stem, folder, cache=cache, skip_faulty=skip_faulty, workers=workers, trust=trust
    )

    from maskgate.training import lr_finder

    range_test = lr_finder.find(loaded, options, low=low, high=high, updates=updates)
    page = lr_finder.write(range_test, out, path.stem, changes)
    terminal.show(f"{lr_finder.sentence(range_test)}\n{page}")
