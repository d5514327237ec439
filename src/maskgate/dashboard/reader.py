"""Reads all runs of several folders, again only those that have changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from maskgate.core.progress import track
from maskgate.dashboard import curves, stamps, system_progress
from maskgate.dashboard.curves import Fold, Progress
from maskgate.dashboard.system_progress import SystemProgress
from maskgate.errors import MaskgateError
from maskgate.reports import run_rows
from maskgate.reports.run_rows import RunRow
from maskgate.runs import RunFolder, is_run
from maskgate.runs.records.faults import no_runs, unreadable
from maskgate.runs.sources import Source


@dataclass(frozen=True)
class Entry:
    """A run on the page: its row, its curves, and how far it is if it is unfinished."""

    row: RunRow
    folds: list[Fold] = field(default_factory=list)
    progress: Progress | SystemProgress | None = None


class Reader:
    """The runs of some folders; a run whose files have not changed is read once."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._entries: dict[Path, tuple[tuple[str, ...], Entry]] = {}

    def read(self) -> list[Entry]:
        """All runs, oldest first. Raises MaskgateError where there is none."""
        places = [(source, path) for source in self.sources for path in source.runs]
        entries = [
            entry
            for source, path in track(places, "reading runs", len(places))
            if (entry := self._entry(source, path)) is not None
        ]
        if not entries:
            raise no_runs(self.sources[0].folder)
        entries.sort(key=lambda entry: entry.row.started)
        rows = run_rows.with_references([entry.row for entry in entries])
        return [replace(entry, row=row) for entry, row in zip(entries, rows, strict=True)]

    def _entry(self, source: Source, path: Path) -> Entry | None:
        run = RunFolder(path)
        try:
            if not is_run(path):
                return None
            current = stamps.of_row(run)
            known = self._entries.get(path)
            if known is not None and known[0] == current:
                return known[1]
            entry = _read(run, source)
        except (MaskgateError, OSError) as error:  # one folder that may not be read is one row
            fault = unreadable(run.path, error) if isinstance(error, OSError) else error
            return Entry(RunRow(run, source.title(path), source.name, fault=str(fault)))
        # A damaged run is read each time, as any of its files may have been put back.
        if entry is not None and not entry.row.fault:
            self._entries[path] = (current, entry)
        return entry


def _read(run: RunFolder, source: Source) -> Entry | None:
    row = run_rows.read_row(run, source)
    if row is None or row.status is None:
        return None if row is None else Entry(row)
    if row.results is None:
        if row.is_system:
            return Entry(row, progress=system_progress.of_system(run, row.settings))
        folds, progress = curves.so_far(run, row.settings)
        return Entry(row, folds, progress)
    try:
        return Entry(row, curves.of_run(run))
    except MaskgateError as error:
        return Entry(replace(row, fault=str(error)))
