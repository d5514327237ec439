"""The list of runs: their differing settings and scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from maskgate.core import terminal, units
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.reports import run_rows
from maskgate.reports.run_rows import RunRow
from maskgate.reports.run_table import SETTINGS, Order, RunTable
from maskgate.runs.sources import Source

_COLUMNS: Final = (
    "run", "recipe", SETTINGS, "score", "photos scored", "people scored", "time", "started"
)  # fmt: skip
_LAST: Final = -1.0  # of a run without a score


def show(folder: Path, order: Order = "date", text: str = "") -> None:
    """Print a table of the runs in `folder` that have `text` in name, recipe or settings, in this
    order: oldest first, best first or by name. Raises MaskgateError for none."""
    print_table(chosen(folder, order, text))


def print_table(rows: Sequence[RunRow]) -> None:
    """Print a table of the rows, then the notes and the faults among them."""
    table = RunTable(_COLUMNS)
    for row in rows:
        table.add(_cells(row))
    console = terminal.console()
    table.print(console)
    notes = [f"{row.name}: {note.first_line}" for row in rows for note in row.notes[-1:]]
    faults = [row.fault for row in rows if row.fault]
    for sentence in [*_hidden(rows), *notes, *faults]:
        console.print(sentence, soft_wrap=True)


def chosen(folder: Path, order: Order = "date", text: str = "") -> list[RunRow]:
    """The runs in `folder` that have `text` in name, recipe or settings that differ, in any case,
    in this order. Raises MaskgateError for none."""
    rows = arranged(run_rows.read([Source(folder)]), order, text)
    if not rows:
        raise MaskgateError(
            f"--filter {text}: no run in {folder} has this in name, recipe or settings"
        )
    return rows


def arranged(rows: Sequence[RunRow], order: Order, text: str = "") -> list[RunRow]:
    """Those of the rows, oldest first, that have `text` in name, recipe or settings, in this
    order."""
    kept = [row for row in rows if _has(row, text)]
    if order == "score":
        kept.sort(key=lambda row: _LAST if row.score is None else row.score.value, reverse=True)
    elif order == "name":
        kept.sort(key=lambda row: row.name)
    return kept


def _has(row: RunRow, text: str) -> bool:
    """Whether the text is in a run's name, recipe or settings; scores and dates have digits and
    brackets of all kinds, which would keep runs that nobody meant."""
    places = (row.name, _recipe(row), *row.differs)
    return any(text.casefold() in place.casefold() for place in places)


def _recipe(row: RunRow) -> str:
    return f"{row.recipe} (system)" if row.is_system else row.recipe


def _cells(row: RunRow) -> tuple[str, ...]:
    if row.status is None:
        return row.name, "damaged", "see below"
    seconds = row.status.seconds
    return (
        row.name,
        _recipe(row),
        ", ".join(row.differs) or "–",
        _score(row),
        *_scored(row),
        "–" if seconds is None else units.duration(seconds),
        row.started[:16].replace("T", " "),
    )


def _hidden(rows: Sequence[RunRow]) -> list[str]:
    """A sentence if runs are compared with some that the table does not show."""
    shown_names = {row.name for row in rows}
    names = sorted({row.reference for row in rows if row.reference} - shown_names)
    return [f"{SETTINGS}: from {', '.join(names)}, not shown here"] if names else []


def _score(row: RunRow) -> str:
    results = row.results
    if results is None:
        return "unfinished"
    if not results.validated:
        return "not validated"
    score = str(results.score)
    if results.score_of != metrics.ALL_CLASSES:
        score += f" {results.score_of}"
    if epochs := results.unvalidated_epochs:
        score += f", before {epochs} epoch{'' if epochs == 1 else 's'} unvalidated"
    return score


def _scored(row: RunRow) -> tuple[str, str]:
    """How many photos and people the score is of."""
    if row.results is None or not row.results.validated:
        return "–", "–"
    return f"{row.results.photos:,}", f"{row.results.people:,}"
