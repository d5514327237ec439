"""Options that are a name and a number: --error and --cost."""

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.door.costs import Costs
    from maskgate.runs.records.results import Attribute

Errors = Annotated[
    list[str] | None,
    typer.Option(
        "--error",
        metavar="ATTRIBUTE=SHARE",
        help="Largest share of wrong answers among the sure ones, for mask, gender or age_band;"
        " repeat it for several.",
        show_default="mask=0.01, gender=0.05, age_band=0.2",
    ),
]
_COSTS = (
    " cost: give the costs let_in (of somebody who may not pass), stopped (of"
    " somebody who may) and look (another one), in any unit."
)
CostWords = Annotated[
    list[str] | None,
    typer.Option(
        "--cost",
        metavar="NAME=COST",
        help=f"Have the door minimise{_COSTS}",
        show_default="another look for what is unsure",
    ),
]
ExampleCosts = Annotated[
    list[str] | None,
    typer.Option(
        "--cost",
        metavar="NAME=COST",
        help=f"Evaluate a door that minimises{_COSTS}",
        show_default="let_in=10, stopped=1, look=0.2",
    ),
]


def errors(words: list[str] | None) -> "dict[Attribute, float]":
    """The shares by attribute, such as of `mask=0.02`. Raises MaskgateError."""
    from maskgate.bundle.thresholds import ERRORS

    stated = _numbers("--error", words or [], [str(name) for name in ERRORS], "a share")
    for name, share in stated.items():
        if not 0 < share < 1:
            raise MaskgateError(f"--error {name}: give a share above 0 and below 1, like 0.02")
    return {name: stated[name] for name in ERRORS if name in stated}


def costs(words: list[str] | None) -> "Costs | None":
    """The costs, such as of `let_in=20`, `stopped=1`, `look=0.2`; None without any. Raises
    MaskgateError."""
    from maskgate.door.costs import Costs

    if not words:
        return None
    names = ("let_in", "stopped", "look")
    stated = _numbers("--cost", words, names, "a cost")
    if missing := [name for name in names if name not in stated]:
        raise MaskgateError(f"--cost: {missing[0]} is missing; give let_in, stopped and look")
    try:
        return Costs(**stated)
    except ValueError as error:
        raise MaskgateError(f"--cost: {error}") from error


def _numbers(option: str, words: list[str], names: Collection[str], what: str) -> dict[str, float]:
    """The numbers by name. Raises MaskgateError."""
    numbers: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in names:
            raise MaskgateError(
                f"{option} {word}: write {what} such as {next(iter(names))}=0.1, for one of"
                f" {', '.join(names)}"
            )
        if name in numbers:
            raise MaskgateError(f"{option} {word}: {name} is given twice; give it once")
        try:
            numbers[name] = float(value)
        except ValueError:
            numbers[name] = math.nan
        if not math.isfinite(numbers[name]):
            raise MaskgateError(f"{option} {word}: {value or 'nothing'} is not a number")
    return numbers
