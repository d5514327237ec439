"""The list of what ships: `maskgate recipes`. Imports no pandas, as the base install has none."""

import json
from collections.abc import Sequence
from typing import Final

from rich.table import Table

from maskgate.config.shipped import Measured, Shipped, all_shipped
from maskgate.core import terminal, units
from maskgate.errors import MaskgateError

_CLOSING: Final = (
    "Scores are macro F1 over the 18 classes, out of fold, with 95% intervals; times are of the"
    " whole training. Both were measured on the photos in docs/results.md and are rough elsewhere;"
    " without a score, nothing was measured. S0 to S4 are five write-ups of one competition, whose"
    " systems are rebuilt here (docs/techniques.md). To train one: maskgate train NAME DATA; to try"
    " it first, add --smoke."
)


def show(words: Sequence[str], as_json: bool) -> None:
    """Print what ships, as text or JSON, if its name or its purpose has all `words`. Raises
    MaskgateError if nothing has."""
    chosen = [each for each in all_shipped() if _has(each, words)]
    if not chosen:
        raise MaskgateError(
            f"{' '.join(words)}: no recipe or system has this in its name or purpose; maskgate"
            " recipes lists all"
        )
    if as_json:
        terminal.show(json.dumps([each.as_json() for each in chosen], indent=2, ensure_ascii=False))
        return
    console = terminal.console()
    separator = "\n" if console.is_terminal else " "
    for title, is_system in (("recipe", False), ("system of several models", True)):
        rows = [each for each in chosen if each.is_system is is_system]
        if not rows:
            continue
        table = Table(title, "purpose, score, time, needs", box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for each in rows:
            table.add_row(each.name, separator.join(sentences(each)))
        console.print(table)
        console.print()
    console.print(_CLOSING, soft_wrap=not console.is_terminal)


def _has(shipped: Shipped, words: Sequence[str]) -> bool:
    text = f"{shipped.name} {shipped.purpose}".casefold()
    return all(word.casefold() in text for word in words)


def sentences(shipped: Shipped) -> list[str]:
    """Its purpose, score and time, and needs: a sentence each."""
    parts = [shipped.purpose]
    if shipped.measured is not None:
        parts.append(_measurement(shipped.measured))
    if shipped.needs:
        parts.append(f"Needs {', '.join(shipped.needs)}.")
    return parts


def _measurement(measured: Measured) -> str:
    value, low, high = (f"{each:.3f}".lstrip("0") for each in vars(measured.score).values())
    time = units.duration(measured.minutes * 60)
    return (
        f"Score {value} [{low}, {high}] on {measured.people:,} people,"
        f" {time} on {measured.machine}."
    )
