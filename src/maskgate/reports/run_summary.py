"""The beginning and the end of a run's report: what it is, what its scores decide, what to do."""

from dataclasses import dataclass
from datetime import UTC, datetime

from maskgate.core import units
from maskgate.evaluation.conclusions import conclude
from maskgate.reports import conclusions, next_steps, recipe_changes
from maskgate.reports.recipe_changes import RecipeChanges
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import Results
from maskgate.runs.records.status import Status


@dataclass(frozen=True)
class RunSummary:
    """The `facts` of a run, and what its scores decide (`sentences`): a title and a text each; the
    `steps` that come next, a purpose and a command each; and the `changes` of its recipe."""

    name: str
    facts: list[tuple[str, str]]
    sentences: list[tuple[str, str]]
    steps: list[tuple[str, str]]
    changes: RecipeChanges | None


def summarise(run: RunFolder) -> RunSummary:
    """The summary of a run that is about to finish, or has finished. Raises MaskgateError."""
    status, results = run.status(), run.metrics()
    decided = None
    if results.validated and not status.smoke:  # the scores of a smoke run mean nothing
        decided = conclude(results, *tables.oof(run))
    return RunSummary(
        name=run.path.resolve().name,
        facts=[(title, text) for title, text in _facts(status, results) if text],
        sentences=[] if decided is None else conclusions.sentences(decided),
        steps=next_steps.of_run(run, decided),
        changes=recipe_changes.of_run(run),
    )


def _facts(status: Status, results: Results) -> list[tuple[str, str]]:
    versions = status.versions
    seconds, speed = status.seconds, status.photos_per_second
    return [
        ("Recipe", f"{status.recipe}, digest {status.digest}"),
        ("Date", _date(status.started)),
        ("Data", f"{status.data}: {_count(status.photos, status.people)}".removeprefix(": ")),
        ("Scored", _count(results.photos, results.people) if results.validated else "nobody"),
        ("Time", f"{units.duration(seconds or 0)}, {speed} photos a second"),
        ("Versions", f"maskgate {versions.maskgate}, torch {versions.torch}" if versions else ""),
        ("Command", status.command),
    ]


def _count(photos: int, people: int) -> str:
    return f"{photos:,} photos of {people:,} people"


def _date(started: str) -> str:
    """A time in UTC, to the minute; empty in a run that has none."""
    try:
        return f"{datetime.fromisoformat(started).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return ""
