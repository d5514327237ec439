"""The list of runs: their differing settings and scores."""

from pathlib import Path
from typing import Any, Final

from maskgate.core import terminal, units
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.reports.changed_settings import differences
from maskgate.reports.run_table import SETTINGS, Order, RunTable
from maskgate.runs import RunFolder, scan
from maskgate.runs.records.faults import no_runs

_LAST: Final = -1.0  # of a run without a score


def show(folder: Path, order: Order = "date", text: str = "") -> None:
    """Print a table of the runs in `folder` that have `text` in a column, in this order: oldest
    first, best first or by name. Raises MaskgateError for none."""
    runs = scan(folder)
    if not runs:
        raise no_runs(folder)
    runs.sort(key=lambda each: _started(each[0]))
    table = RunTable(
        ("run", "recipe", SETTINGS, "score", "photos scored", "people scored", "time", "started")
    )
    scores: list[float] = []
    first: dict[tuple[str, bool], tuple[str, dict[str, Any]]] = {}
    reference_of: dict[str, str] = {}  # the run with which a run's settings are compared
    faults: list[str] = []
    latest_notes: list[str] = []
    for run, fault in runs:
        try:
            if fault is not None:
                raise fault
            status, resolved = run.status(), run.settings()
            score, scored = _score(run), _scored(run)
            latest_notes += [f"{run.path.name}: {note.first_line}" for note in run.notes()[-1:]]
        except MaskgateError as error:
            scores.append(_LAST)
            table.add((run.path.name, "damaged", "see below"))
            faults.append(str(error))
            continue
        scores.append(_sort_key(run))
        # A smoke test changes much by itself, so it is no reference.
        kind = status.recipe, run.is_system
        itself = run.path.name, resolved
        reference, base = itself if status.smoke else first.setdefault(kind, itself)
        reference_of[run.path.name] = reference
        changes = ", ".join(differences(base, resolved)) or "–"
        cells = (
            run.path.name,
            f"{status.recipe} (system)" if run.is_system else status.recipe,
            changes,
            score,
            *scored,
            "–" if status.seconds is None else units.duration(status.seconds),
            status.started[:16].replace("T", " "),
        )
        table.add(cells)
    table.arrange(order, scores, text)
    if not table.rows:
        raise MaskgateError(f"--filter {text}: no run in {folder} has this in name or settings")
    console = terminal.console()
    table.print(console)
    for sentence in [*_hidden(table, reference_of), *latest_notes, *faults]:
        console.print(sentence, soft_wrap=True)


def _hidden(table: RunTable, reference_of: dict[str, str]) -> list[str]:
    """A sentence if runs are compared with some that the table does not show."""
    rows = {name for name, *_ in table.rows}
    names = sorted({reference_of.get(name, name) for name in rows} - rows)
    return [f"{SETTINGS}: from {', '.join(names)}, not shown here"] if names else []


def _sort_key(run: RunFolder) -> float:
    """The score to sort by, −1 without one."""
    results = run.metrics() if run.status().finished is not None else None
    if results is None or not results.validated or results.score is None:
        return _LAST
    return results.score.value


def _started(run: RunFolder) -> str:
    try:
        return run.status().started
    except MaskgateError:
        return ""


def _score(run: RunFolder) -> str:
    if run.status().finished is None:
        return "unfinished"
    results = run.metrics()
    if not results.validated:
        return "not validated"
    score = str(results.score)
    if results.score_of != metrics.ALL_CLASSES:
        score += f" {results.score_of}"
    if epochs := results.unvalidated_epochs:
        score += f", before {epochs} epoch{'' if epochs == 1 else 's'} unvalidated"
    return score


def _scored(run: RunFolder) -> tuple[str, str]:
    """How many photos and people the score is of."""
    results = run.metrics() if run.status().finished is not None else None
    if results is None or not results.validated:
        return "–", "–"
    return f"{results.photos:,}", f"{results.people:,}"
