"""What the page shows, ready for JSON."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from maskgate.config import yaml12
from maskgate.dashboard.grouping import Group, Grouping
from maskgate.dashboard.reader import Entry
from maskgate.dashboard.verdicts import Verdicts
from maskgate.evaluation import groups, metrics
from maskgate.reports import changed_settings
from maskgate.runs.run import RunFolder

LinkTo = Callable[[RunFolder, str], str]  # of a run and its name; "" without a report


def collect(
    entries: Sequence[Entry], grouping: Grouping, verdicts: Verdicts, link_to: LinkTo
) -> dict[str, Any]:
    """Runs, groups, sets of photos, reasons and verdicts, as `templates/dashboard.js` reads
    them."""
    keys, settings = _settings_that_differ(grouping)
    faults = grouping.faults | verdicts.faults
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "sources": sorted({entry.row.source for entry in entries} - {""}),
        "runs": [
            _run(entry, link_to) | {"fault": entry.row.fault or faults.get(entry.row.name, "")}
            for entry in entries
        ],
        "groups": [
            {
                "id": group.id,
                "name": group.name,
                "runs": [row.name for row in group.rows],
                "compared": [row.name for row in group.compared],
                "set": group.validation_set,
                "score": _score(verdicts.scores.get(group.id)),
                "settings": settings.get(group.id),
            }
            for group in grouping.groups
        ],
        "keys": keys,
        "sets": [
            {
                "truth": each.example.status.truth if each.example.status else "",
                "score_of": each.score_of,
            }
            for each in grouping.sets
        ],
        "reasons": [[one, two, text] for (one, two), text in grouping.reasons.items()],
        "verdicts": [verdict.as_json() for verdict in verdicts.by_pair.values()],
    }


def _run(entry: Entry, link_to: LinkTo) -> dict[str, Any]:
    row, status, results = entry.row, entry.row.status, entry.row.results
    scored = results if results is not None and results.validated else None
    return {
        "name": row.name,
        "source": row.source,
        "path": str(row.run.path),
        "recipe": row.recipe,
        "system": row.is_system,
        "state": row.state,
        "seed": row.seed,
        "differs": list(row.differs),
        "reference": row.reference,
        "score": _score(row.score),
        "score_of": "" if scored is None or scored.score_of == metrics.ALL_CLASSES
        else scored.score_of,
        "validated": None if results is None else results.validated,
        "unvalidated_epochs": 0 if results is None else results.unvalidated_epochs,
        "photos": 0 if scored is None else scored.photos,
        "people": 0 if scored is None else scored.people,
        "seconds": None if status is None else status.seconds,
        "rate": None if status is None else status.photos_per_second,
        "started": row.started,
        "command": "" if status is None else status.command,
        "warnings": [] if status is None else status.all_warnings,
        "notes": [
            {"date": note.date, "author": note.author, "parts": note.parts} for note in row.notes
        ],
        "report": link_to(row.run, row.name),
        "folds": entry.folds,
        "progress": None if entry.progress is None else asdict(entry.progress),
    }  # fmt: skip


def _score(score: Any) -> list[float] | None:
    # All digits, as the page rounds: 0.045052 by way of 0.04505 would be 0.0450 there.
    return None if score is None else [score.value, score.low, score.high]


def _settings_that_differ(grouping: Grouping) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """The keys of settings that are not the same in all scored groups, those in which more groups
    differ from the most frequent value first; and their values, by the id of each group that is no
    system."""
    flat = {
        group.id: _flat(group)
        for group in grouping.groups
        if group.mean is not None and not group.rows[0].is_system
    }
    keys = sorted({key for each in flat.values() for key in each})
    counts = {key: Counter(repr(each.get(key)) for each in flat.values()) for key in keys}
    rest = {key: len(flat) - max(count.values()) for key, count in counts.items()}
    differing = sorted((key for key in keys if len(counts[key]) > 1), key=lambda key: -rest[key])
    values = {name: {key: each.get(key) for key in differing} for name, each in flat.items()}
    return differing, values


def _flat(group: Group) -> dict[str, Any]:
    """The settings by `key.sub`, without the seed; a list is text."""
    settings = changed_settings.flattened(groups.without_seed(group.rows[0].settings)[0])
    return {key: _simple(value) for key, value in settings.items()}


def _simple(value: Any) -> Any:
    """A number, text or None, as JSON holds it."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return value if isinstance(value, str) else yaml12.line(value)
