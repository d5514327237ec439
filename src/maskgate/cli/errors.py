"""The option --error, which several commands share."""

from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.errors import MaskgateError

if TYPE_CHECKING:
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


def parse(words: list[str] | None) -> "dict[Attribute, float]":
    """The shares by attribute, such as of `mask=0.02`. Raises MaskgateError."""
    from maskgate.bundle.thresholds import ERRORS

    shares: dict[Attribute, float] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        attribute = next((each for each in ERRORS if each == name), None)
        if not equals or attribute is None:
            raise MaskgateError(f"--error {word}: write mask=, gender= or age_band= and a share")
        if attribute in shares:
            raise MaskgateError(f"--error {word}: {name} is given twice; give it once")
        try:
            shares[attribute] = float(value)
        except ValueError:
            shares[attribute] = 0
        if not 0 < shares[attribute] < 1:
            raise MaskgateError(f"--error {word}: a share is a number between 0 and 1, like 0.02")
    return shares
