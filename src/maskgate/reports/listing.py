"""The list of runs: what differs between runs of one recipe, and how they score."""

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
    found = scan(folder)
    if not found:
        raise no_runs(folder)
    found.sort(key=lambda each: _started(each[0]))
    table = Table("run", "recipe", "differs", "score", "people", "time", box=None, pad_edge=False)
    first: dict[tuple[str, bool], dict[str, Any]] = {}
    faults: list[str] = []
    for run, fault in found:
        try:
            if fault is not None:
                raise fault
            status, resolved = run.status(), run.settings()
            score = _score(run)
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
    for sentence in faults:
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
    """What `other` has and `base` has not, as `key.sub=value`."""
    found: list[str] = []
    for key in base.keys() | other.keys():
        before, after = base.get(key), other.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            found.append(f"{prefix}{key}={after}")
    return sorted(found)
