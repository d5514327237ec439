"""The list of runs as JSON and CSV: all columns, numbers as numbers."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from maskgate.core import files
from maskgate.core.score import Score
from maskgate.labels import ATTRIBUTES
from maskgate.reports.run_rows import RunRow
from maskgate.runs.records.results import Figure

# How a formula begins; a tab or a return before it is dropped by spreadsheets.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_json(rows: Sequence[RunRow]) -> str:
    """A list of objects; a score is an object of `value`, `low` and `high`, null where there is
    none."""
    return json.dumps([_values(row) for row in rows], ensure_ascii=False, indent=2) + "\n"


def write_csv(rows: Sequence[RunRow], path: Path) -> None:
    """Write the same, a row for each run: `score` has the value, `score_low` and `score_high` the
    ends of its interval; several settings, warnings or notes are one cell with a line for each.
    Text that begins as a formula does has an apostrophe before it. Raises MaskgateError if the file
    cannot be written."""
    table = [_flat(_values(row)) for row in rows]

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)

    files.replace(path, write)


def _values(row: RunRow) -> dict[str, Any]:
    """What is known of a run, with the same keys for every run."""
    status, results = row.status, row.results
    scored = results if results is not None and results.validated else None
    attributes = {} if scored is None else scored.attributes
    by_name = {str(name): scores.macro_f1 for name, scores in attributes.items()}
    return {
        "run": row.name,
        "path": str(row.run.path),
        "state": row.state,
        "recipe": row.recipe,
        "system": row.is_system,
        "seed": row.seed,
        "differs": list(row.differs),
        "differs_from": row.reference,
        "score": _score(row.score),
        "score_of": "" if scored is None else scored.score_of,
        **{f"{name}_macro_f1": _score(by_name.get(name)) for name in ATTRIBUTES},
        "photos_scored": None if scored is None else scored.photos,
        "people_scored": None if scored is None else scored.people,
        "unvalidated_epochs": None if results is None else results.unvalidated_epochs,
        "selection": "" if scored is None else scored.selection,
        "truth": "" if status is None else status.truth,
        "data": "" if status is None else status.data,
        "seconds": None if status is None else status.seconds,
        "photos_per_second": None if status is None else status.photos_per_second,
        "started": row.started,
        "finished": None if status is None else status.finished,
        "command": "" if status is None else status.command,
        "warnings": [] if status is None else status.all_warnings,
        "notes": [
            {"time": note.time, "author": note.author, "text": note.text} for note in row.notes
        ],
        "fault": row.fault,
    }


def _score(score: Score | Figure | None) -> dict[str, float] | None:
    if score is None:
        return None
    return {"value": score.value, "low": score.low, "high": score.high}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """The same with text and numbers alone."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if key == "score" or key.endswith("_macro_f1"):
            score = value or {}
            flat |= {
                key: score.get("value"),
                f"{key}_low": score.get("low"),
                f"{key}_high": score.get("high"),
            }
        elif key == "notes":
            flat[key] = "\n".join(f"{each['author']}: {each['text']}" for each in value)
        else:
            flat[key] = "\n".join(value) if isinstance(value, list) else value
    return {key: _as_cell(value) for key, value in flat.items()}


def _as_cell(value: Any) -> Any:
    """Text that a spreadsheet would compute, such as `=cmd|…` from a note, after an apostrophe,
    which makes it text there. Numbers stay as they are."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
