"""The command pseudo."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import (
    Cache,
    Changes,
    CheckpointSeconds,
    DataBeforeMore,
    RecipeName,
    SkipFaulty,
    Trust,
    Workers,
    app,
    existing_run,
    path_and_recipe,
    typed_command,
    unlabelled_folder,
)
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


@app.command()
@with_label_map
def pseudo(
    recipe: RecipeName,
    data: DataBeforeMore,
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOS", help="Folder of photos without labels.", callback=unlabelled_folder
        ),
    ],
    overrides: Changes = None,
    rounds: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Rounds after the one without pseudo labels."),
    ] = 1,
    run: Annotated[
        Path | None,
        typer.Option(
            help="A finished run that predicts the first pseudo labels.",
            show_default="trained as round 0",
            callback=existing_run,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the rounds.", show_default="runs/pseudo-<recipe>"),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Continue when a round lowers the score.")
    ] = False,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Train with pseudo labels, in rounds; stop when a round lowers the score."""
    from maskgate.core import files
    from maskgate.inference import recipe_check
    from maskgate.model import replaced_backbone
    from maskgate.training.options import TrainOptions

    for change in overrides or []:
        if change.startswith(("pseudo.run=", "pseudo.photos=", "pseudo=")):
            raise MaskgateError(
                f"{change}: every round sets its own run and photos; give PHOTOS and --run, and"
                " change the other keys of pseudo one by one"
            )
    pseudo_keys = [f"pseudo.photos={json.dumps(str(photos))}", "pseudo.run=round"]
    path, loaded = path_and_recipe(
        recipe, [*(overrides or []), *label_map.overrides(), *pseudo_keys]
    )
    recipe_check.check(loaded.model_copy(update={"pseudo": None}), path.stem)
    loaded = replaced_backbone.fitted(loaded, overrides or [])
    assert loaded.pseudo is not None
    folder = out or Path("runs") / f"pseudo-{path.stem}"
    files.check_folder(folder, remedy="give another --out")
    options = TrainOptions(
        name=path.stem,
        data=data,
        out=folder,
        cache=cache,
        skip_faulty=skip_faulty,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
        command=typed_command(),
        trust=trust,
    )

    from maskgate.reports import pseudo as page
    from maskgate.studies import pseudo as study

    rounds_report = study.train(
        loaded, options, loaded.pseudo, count=rounds, first=run, keep_going=keep_going
    )
    if os.environ.get("RANK", "0") == "0":  # of the processes that `torchrun` started
        page.show(rounds_report)
        terminal.show(folder / page.PAGE)
