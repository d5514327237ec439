"""What lists and pages show of runs: a row of each, also of damaged ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from maskgate.core.progress import track
from maskgate.core.score import Score
from maskgate.errors import MaskgateError
from maskgate.evaluation import groups
from maskgate.reports.changed_settings import differences
from maskgate.runs import RunFolder, is_run
from maskgate.runs.records.faults import no_runs
from maskgate.runs.records.notes import Note
from maskgate.runs.records.results import Results
from maskgate.runs.records.status import Status
from maskgate.runs.sources import Source

State = Literal["finished", "unfinished", "smoke", "damaged"]


@dataclass(frozen=True)
class RunRow:
    """A run, and what its files say; of a damaged one only `fault`.

    `results` are those of a finished run. `reference` is the name of the run whose settings its own
    are compared with: the oldest one of its recipe; `differs` has those that differ, as
    `key.sub=value`.
    """

    run: RunFolder
    name: str
    source: str = ""
    fault: str = ""
    status: Status | None = None
    is_system: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    results: Results | None = None
    notes: tuple[Note, ...] = ()
    reference: str = ""
    differs: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """Damaged, smoke (a test of the recipe, finished or not), finished or unfinished."""
        if self.status is None:
            return "damaged"
        if self.status.smoke:
            return "smoke"
        return "unfinished" if self.results is None else "finished"

    @property
    def started(self) -> str:
        """When its training began (ISO 8601); empty where that is unknown."""
        return "" if self.status is None else self.status.started

    @property
    def recipe(self) -> str:
        """The name of its recipe or system; empty for a damaged one."""
        return "" if self.status is None else self.status.recipe

    @property
    def seed(self) -> int | None:
        """Its seed, of a system that of its first member; None for a damaged one."""
        return groups.without_seed(self.settings)[1] if self.settings else None

    @property
    def score(self) -> Score | None:
        """Its score; None for a run that is unfinished or not validated."""
        if self.results is None or not self.results.validated or self.results.score is None:
            return None
        return self.results.score.as_score()


def read(sources: Sequence[Source]) -> list[RunRow]:
    """The rows of all runs in these folders, oldest first. Raises MaskgateError for none."""
    places = [(source, path) for source in sources for path in source.runs]
    rows = [
        row
        for source, path in track(places, "reading runs", len(places))
        if (row := read_row(RunFolder(path), source)) is not None
    ]
    if not rows:
        raise no_runs(sources[0].folder)
    return with_references(sorted(rows, key=lambda row: row.started))


def read_row(run: RunFolder, source: Source) -> RunRow | None:
    """The row of a run, not yet compared with others; None where the folder has no run."""
    row = RunRow(run=run, name=source.title(run.path), source=source.name)
    try:
        if not is_run(run.path):
            return None
        run.check()
        status = run.status()
        return replace(
            row,
            is_system=run.is_system,
            settings=run.settings(),
            results=run.metrics() if status.finished is not None else None,
            notes=run.notes(),
            status=status,
        )
    except MaskgateError as error:
        return replace(row, fault=str(error))


def with_references(rows: Sequence[RunRow]) -> list[RunRow]:
    """The rows, oldest first, with the settings that differ from those of the oldest run of the
    recipe."""
    first: dict[tuple[str, bool], RunRow] = {}
    compared = []
    for row in rows:
        if row.status is None:
            compared.append(row)
            continue
        # A smoke test changes much by itself, so it is no reference.
        is_smoke = row.status.smoke
        base = row if is_smoke else first.setdefault((row.recipe, row.is_system), row)
        differs = tuple(differences(base.settings, row.settings))
        compared.append(replace(row, reference=base.name, differs=differs))
    return compared
