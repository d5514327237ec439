"""The list of runs: their differing settings and scores."""

from pathlib import Path
from typing import Any

from rich.table import Table

from maskgate.core import terminal
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.runs import Run, scan
from maskgate.runs.records.faults import no_runs


def show(folder: Path) -> None:
    """Print a table of the runs in `folder`, oldest first. Raises MaskgateError for none."""
    runs = scan(folder)
    if not runs:
        raise no_runs(folder)
    runs.sort(key=lambda each: _started(each[0]))
    table = Table("run", "recipe", "differs", "score", "people", "time", box=None, pad_edge=False)
    first: dict[tuple[str, bool], dict[str, Any]] = {}
    faults: list[str] = []
    latest_notes: list[str] = []
    for run, fault in runs:
        try:
            if fault is not None:
                raise fault
            status, resolved = run.status(), run.settings()
            score = _score(run)
            latest_notes += [f"{run.path.name}: {note.first_line}" for note in run.notes()[-1:]]
        except MaskgateError as error:
            table.add_row(run.path.name, "damaged", "see below")
            faults.append(str(error))
            continue
        base = first.setdefault((status.recipe, run.is_system), resolved)
        changes = ", ".join(differences(base, resolved)) or "–"
        table.add_row(
            run.path.name,
            f"{status.recipe} (system)" if run.is_system else status.recipe,
            changes,
            score,
            str(status.people),
            "–" if status.seconds is None else f"{status.seconds / 60:.1f} min",
        )
    console = terminal.console()
    console.print(table)
    for sentence in latest_notes + faults:
        console.print(sentence, soft_wrap=True)


def _started(run: Run) -> str:
    try:
        return run.status().started
    except MaskgateError:
        return ""


def _score(run: Run) -> str:
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


def differences(base: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """The settings of `other` that differ from `base`, as `key.sub=value`."""
    changes: list[str] = []
    for key in base.keys() | other.keys():
        before, after = base.get(key), other.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            changes.append(f"{prefix}{key}={after}")
    return sorted(changes)
