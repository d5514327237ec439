"""Arguments and options that the commands of a door share: serve and watch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli import numbers
from maskgate.cli.app import check_runs, number
from maskgate.cli.export import check_model
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.door.costs import Costs


def _existing_model(model: Path | None) -> Path | None:
    if model is not None:
        check_runs([model])
    return model


Model = Annotated[
    Path | None,
    typer.Argument(
        metavar="[MODEL]",
        help="A bundle; or a run folder or a system file whose members are runs, which is"
        " exported first and needs torch.",
        show_default="the model that is part of maskgate",
        callback=_existing_model,
    ),
]
UnsureBelow = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        callback=number,
        help="Mask states less probable than this are unsure.",
        show_default="the model's threshold, 0.6 without one",
    ),
]
SmallestFace = Annotated[
    float | None,
    typer.Option(
        min=1,
        max=100_000,
        help="Width in pixels of the narrowest face to judge.",
        show_default="as in training, for portraits",
    ),
]
Threads = Annotated[
    int, typer.Option(min=1, max=256, help="Threads of each network for one batch.")
]


def check(
    model: Path | None, cost: list[str] | None, unsure_below: float | None, trust: bool
) -> "Costs | None":
    """The costs; raises MaskgateError for a model that cannot be exported, and for two rules."""
    from maskgate import bundle

    if model is not None and not bundle.is_bundle(model):
        check_model(model, trust)
    costs = numbers.costs(cost)
    if costs is not None and unsure_below is not None:
        raise MaskgateError("--cost and --unsure-below are two rules for the mask; give one")
    return costs
