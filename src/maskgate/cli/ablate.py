"""The command ablate."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import (
    Cache,
    DataOrChange,
    RecipeName,
    SkipFaulty,
    Trust,
    Workers,
    app,
    checked_recipe,
    data_and_overrides,
    typed_command,
)
from maskgate.cli.app import Changes as Overrides
from maskgate.cli.cluster_options import GpusPerTask, On, cluster_of
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


@app.command()
@with_label_map
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
    gpus_per_task: GpusPerTask = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Ablation: change one setting of a recipe at a time, and report which changes matter."""
    from maskgate.config import recipe as recipes
    from maskgate.core import files
    from maskgate.model import replaced_backbone
    from maskgate.studies import changes as kinds
    from maskgate.training.options import TrainOptions

    source, base_overrides = data_and_overrides(data, overrides, label_map)
    path, _ = checked_recipe(recipe, base_overrides)
    cluster = cluster_of(on, gpus_per_task)
    folder = out or Path("ablate") / path.stem
    files.check_folder(folder)
    command_line_changes = list(map(kinds.from_override, change or []))
    chosen_changes = [*(kinds.read(changes) if changes else []), *command_line_changes]
    options = TrainOptions(
        name=path.stem,
        data=source,
        cache=cache,
        skip_faulty=skip_faulty,
        workers=workers,
        command=typed_command(),
        trust=trust,
    )

    def load(extra: Sequence[str]) -> recipes.Recipe:
        return recipes.load(path, [*base_overrides, *extra])

    def load_fitted(extra: Sequence[str]) -> recipes.Recipe:
        return replaced_backbone.fitted(load(extra), [*base_overrides, *extra])

    kinds.check(command_line_changes, load)

    from maskgate.reports import ablate as page
    from maskgate.studies import ablate as study
    from maskgate.studies import ablation_plan

    if not chosen_changes:
        chosen_changes = ablation_plan.applicable_changes(
            load_fitted, kinds.leave_one_out(load_fitted([])), options
        )
    plan = ablation_plan.plan(load_fitted, chosen_changes, seeds, folder=folder, options=options)
    names = [change.name for change in plan.changes]
    rows = list(zip(names, plan.differs, strict=True))
    page.print_plan(rows, len(plan.runs), len(plan.left), study.remaining(plan))
    if listed:
        return
    failed = study.train(plan, cluster)
    summary = study.verdicts(plan)
    page.show(summary, failed)
    terminal.show(page.write(summary, folder, failed))
